"""Validation against profiles: StructureDefinitions compiled once, then asked of every resource.

library = Library(conformance, terminology)      one for a tenant
Validator(library).check(resource, profiles)      what is wrong with a resource, everywhere in it

findings    what is found, and places as chains              nodes, trees   a StructureDefinition as a tree
run         one validation: scopes, references, budget       compiler       a tree as closures
base        R4's own rules, by type                          values, slices, discriminators, references, codes
conformance where definitions come from                      extensions, bundles, narrative, attachments
"""
