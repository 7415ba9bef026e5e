"""The functions of FHIRPath by name; importing this package registers them all."""

from kiungo.fhir.fhirpath.functions import (
    aggregates,
    boundaries,
    combining,
    components,
    conversion,
    existence,
    fhir,
    filtering,
    math,
    patterns,
    subsetting,
    text,
    tree,
    types,
    utility,
)
from kiungo.fhir.fhirpath.functions.registry import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "aggregates",
    "boundaries",
    "combining",
    "components",
    "conversion",
    "existence",
    "fhir",
    "filtering",
    "math",
    "patterns",
    "subsetting",
    "text",
    "tree",
    "types",
    "utility",
]
