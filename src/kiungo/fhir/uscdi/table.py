"""The whole table: every data element of USCDI v3."""

from kiungo.fhir.uscdi import care, person
from kiungo.fhir.uscdi.elements import DataElement

TABLE: tuple[DataElement, ...] = tuple(sorted((*person.ROWS, *care.ROWS), key=lambda row: row.group))
TYPES: tuple[str, ...] = tuple(sorted({row.type for row in TABLE}))
