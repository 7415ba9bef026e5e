"""The resource browser: search, read, compare versions, validate, and see how a search is run.

Pages show what the visitor's own credential may see: each asks the FHIR store as the visitor, and reads are audited
as those over the API are.
"""

from kiungo.console.fhir.pages import FhirPages

__all__ = ["FhirPages"]
