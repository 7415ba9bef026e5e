"""FHIR packages (implementation guides as .tgz): read within limits, kept per tenant, found by canonical address.

archive   a package's file, read within limits          installed   what a tenant has: install, list, remove, find
policy    the profiles a tenant's writes must meet      sources     definitions for validation, with what is stored
faults    profiles of a package that are wrong
"""
