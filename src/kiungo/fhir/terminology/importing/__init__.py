"""Import of large code systems from the files their owners publish: ICD-10-CM, LOINC, SNOMED CT RF2, RxNorm.

None of them is shipped: each has terms of its own, and a hospital brings the release it is licensed for.
"""

from kiungo.fhir.terminology.importing.loader import Imported, RowProblem, load
from kiungo.fhir.terminology.importing.releases import KINDS, Release, find_release

__all__ = ["KINDS", "Imported", "Release", "RowProblem", "find_release", "load"]
