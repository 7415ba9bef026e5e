"""RxNorm from RXNCONSO.RRF of its release: RxNorm's own names of each concept.

Source: RxNorm technical documentation, section 12.4 (RXNCONSO).
"""

from collections.abc import Iterable, Iterator

from kiungo.fhir.terminology.importing.rows import LineWrong, Reader, Said, Stage, checked_code

URL = "http://www.nlm.nih.gov/research/umls/rxnorm"
TITLE = "RxNorm"
_COLUMNS = 18
_RXCUI, _LAT, _SAB, _TTY, _STR, _SUPPRESS = 0, 1, 11, 12, 14, 16
# Names beside a concept's own: synonyms, prescribable and tall-man forms, entry terms.
_BESIDE = frozenset({"SY", "PSN", "TMSY", "ET"})


def _records(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.rstrip("\r\n").split("|")) for number, line in enumerate(file, 1))


def _reader(_header: list[str]) -> Reader:
    def read(record: list[str]) -> Said | None:
        if record == [""]:
            return None
        if len(record) < _COLUMNS:
            raise LineWrong(f"the line has {len(record)} of {_COLUMNS} fields")
        if record[_SAB] != "RXNORM":
            return None
        code, kind, name = checked_code(record[_RXCUI]), record[_TTY], record[_STR].strip()
        if not name:
            raise LineWrong("the line has no name")
        term = ((kind, "en", name),)
        if kind in _BESIDE:
            # A synonym may stand before the name it is beside.
            return Said(code, name, terms=term, only_if_new=True)
        return Said(code, name, record[_SUPPRESS] in ("N", ""), term, (("TTY", kind),))

    return read


STAGES = (Stage(r"(^|/)RXNCONSO\.RRF$", _records, _reader, has_header=False),)
