"""SNOMED CT from the snapshot of an RF2 release: concepts, descriptions, is-a relationships.

Source: SNOMED CT Release File Specifications, 4.2 (RF2 concept, description and relationship files).
"""

from collections.abc import Callable, Iterable, Iterator

from kiungo.fhir.terminology.importing.rows import LineWrong, Reader, Said, Stage, by_name, checked_code

URL = "http://snomed.info/sct"
TITLE = "SNOMED CT"
FULL_NAME = "900000000000003001"
SYNONYM = "900000000000013009"
DEFINITION = "900000000000550004"
PRIMITIVE = "900000000000074008"
IS_A = "116680003"
_KINDS = {FULL_NAME: "fully-specified", SYNONYM: "synonym", DEFINITION: "definition"}


def _records(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.rstrip("\r\n").split("\t")) for number, line in enumerate(file, 1))


def _columns(names: tuple[str, ...], read: Callable[[dict[str, str]], Said | None]) -> Callable[[list[str]], Reader]:
    def reader(header: list[str]) -> Reader:
        place = by_name(header, names)

        def one(record: list[str]) -> Said | None:
            if len(record) < len(header):
                raise LineWrong(f"the line has {len(record)} of {len(header)} columns")
            return read({name: record[place[name]] for name in names})

        return one

    return reader


def _concept(row: dict[str, str]) -> Said:
    code = checked_code(row["id"])
    held = (
        ("moduleId", row["moduleId"]),
        ("sufficientlyDefined", "false" if row["definitionStatusId"] == PRIMITIVE else "true"),
    )
    return Said(code, code, row["active"] == "1", properties=held, only_if_new=True)


def _description(row: dict[str, str]) -> Said | None:
    kind = _KINDS.get(row["typeId"])
    if row["active"] != "1" or kind is None:
        return None
    term = row["term"].strip()
    if not term:
        raise LineWrong("an active description has no term")
    # The full name is the one term that means one concept only; it is what is shown.
    shown = term if kind == "fully-specified" else None
    return Said(checked_code(row["conceptId"]), shown, terms=((kind, row["languageCode"], term),))


def _relationship(row: dict[str, str]) -> Said | None:
    if row["active"] != "1" or row["typeId"] != IS_A:
        return None
    return Said(checked_code(row["sourceId"]), parents=(checked_code(row["destinationId"]),))


STAGES = (
    Stage(
        r"(^|/)sct2_Concept_[^/]*Snapshot[^/]*\.txt$",
        _records,
        _columns(("id", "active", "moduleId", "definitionStatusId"), _concept),
    ),
    Stage(
        r"(^|/)sct2_Description_[^/]*Snapshot[^/]*\.txt$",
        _records,
        _columns(("active", "conceptId", "languageCode", "typeId", "term"), _description),
    ),
    Stage(
        r"(^|/)sct2_Relationship_[^/]*Snapshot[^/]*\.txt$",
        _records,
        _columns(("active", "sourceId", "destinationId", "typeId"), _relationship),
    ),
)
