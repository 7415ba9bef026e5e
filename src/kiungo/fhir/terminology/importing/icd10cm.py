"""ICD-10-CM from the order file of its yearly release.

Source: CMS, icd10cm_order_YYYY.txt: columns 1-5 order, 7-13 code without dot, 15 billable, 17-76 short, from 78 long.
"""

from collections.abc import Iterable, Iterator

from kiungo.fhir.terminology.importing.rows import LineWrong, Reader, Said, Stage

URL = "http://hl7.org/fhir/sid/icd-10-cm"
TITLE = "ICD-10-CM"


def dotted(code: str) -> str:
    """The code as it is written in records: a dot after the third character."""
    return code if len(code) <= 3 else f"{code[:3]}.{code[3:]}"


def _records(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    return ((number, [line.rstrip("\r\n")]) for number, line in enumerate(file, 1))


def _reader(_header: list[str]) -> Reader:
    above: list[str] = []  # the headings over the line before, shortest first

    def read(record: list[str]) -> Said | None:
        line = record[0]
        if not line.strip():
            return None
        code, billable, short, long = line[6:13].strip(), line[14:15], line[16:76].strip(), line[77:].strip()
        if not line[:5].strip().isdecimal() or not code.isalnum() or billable not in ("0", "1"):
            raise LineWrong("the line is not an order number, a code and a heading mark in their columns")
        while above and not code.startswith(above[-1]):
            above.pop()
        parent = (dotted(above[-1]),) if above else ()
        above.append(code)
        terms = (("short", "en", short),) if short and short != long else ()
        leaf = (("billable", "true" if billable == "1" else "false"),)
        return Said(dotted(code), long or short, True, terms, leaf, parent)

    return read


STAGES = (Stage(r"(^|/)icd10cm[_-]?order[^/]*\.txt$", _records, _reader, has_header=False),)
