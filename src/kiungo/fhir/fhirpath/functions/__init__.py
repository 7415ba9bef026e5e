"""The functions of FHIRPath by name; importing this package registers them all."""

from kiungo.fhir.fhirpath.functions import (
    combining,
    conversion,
    existence,
    fhir,
    filtering,
    math,
    subsetting,
    text,
    tree,
    types,
    utility,
)
from kiungo.fhir.fhirpath.functions.registry import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "combining",
    "conversion",
    "existence",
    "fhir",
    "filtering",
    "math",
    "subsetting",
    "text",
    "tree",
    "types",
    "utility",
]
