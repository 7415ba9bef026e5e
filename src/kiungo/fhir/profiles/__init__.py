"""Validation against profiles: StructureDefinitions compiled once, then asked of every resource.

library = Library(conformance, terminology)      one for a tenant
Validator(library).check(resource, profiles)      what is wrong with a resource, everywhere in it

library, validator, run     the compiled profiles of a tenant; a whole validation; one under way, with its budget
conformance, nodes, trees   where definitions come from; a StructureDefinition as a tree
compiler, items, paths      a tree as closures; how they read JSON; FHIRPath shared by all invariants of a resource
findings                    what is found, and places as chains

What profiles ask of a value: values, patterns, quantities, codes, references, canonicals, slices, discriminators,
extensions, invariants, demands, languages, obligations.

What R4 itself asks, by type (base, special, native, vitals): resources, bundles, reachable, narrative, attachments,
pointers, questionnaires; and of definitions: definitional, expressions, filters, membership, ecl.
"""
