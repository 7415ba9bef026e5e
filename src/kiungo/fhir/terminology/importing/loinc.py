"""LOINC from Loinc.csv of its release.

Source: LOINC table structure of the release notes; FHIR R4 4.3.2 (using LOINC), whose property names these are.
"""

import csv
from collections.abc import Iterable, Iterator

from kiungo.fhir.terminology.importing.rows import Reader, Said, Stage, by_name, checked_code

URL = "http://loinc.org"
TITLE = "LOINC"
PROPERTIES = (
    *("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "CLASSTYPE", "STATUS"),
    *("ORDER_OBS", "EXAMPLE_UCUM_UNITS"),
)
RETIRED = ("DEPRECATED", "DISCOURAGED")


def _records(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(file)
    return ((rows.line_num, row) for row in rows)


def _reader(header: list[str]) -> Reader:
    place = by_name(header, ("LOINC_NUM", "LONG_COMMON_NAME", "COMPONENT", "STATUS"))

    def value(record: list[str], name: str) -> str:
        number = place.get(name)
        return record[number].strip() if number is not None and number < len(record) else ""

    def read(record: list[str]) -> Said | None:
        if not record:
            return None
        code = checked_code(value(record, "LOINC_NUM"))
        shown = value(record, "LONG_COMMON_NAME") or value(record, "COMPONENT") or code
        kinds = (("short", "SHORTNAME"), ("consumer", "CONSUMER_NAME"), ("related", "RELATEDNAMES2"))
        terms = tuple((kind, "en", value(record, name)) for kind, name in kinds if value(record, name))
        held = tuple((name, value(record, name)) for name in PROPERTIES if value(record, name))
        return Said(code, shown, value(record, "STATUS") not in RETIRED, terms, held)

    return read


STAGES = (Stage(r"(^|/)Loinc\.csv$", _records, _reader),)
