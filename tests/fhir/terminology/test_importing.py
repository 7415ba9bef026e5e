"""Releases in their owners' formats: tiny, made up, imported into the tables and asked about."""

import zipfile
from pathlib import Path

import pytest

from kiungo.base.errors import Conflict, Incorrect
from kiungo.fhir.terminology import Terminologies
from kiungo.fhir.terminology.importing import Imported, find_release, load
from kiungo.fhir.terminology.importing import loader as loader_module
from kiungo.kernel.auth.principal import system_call
from kiungo.kernel.database import Database

CALL = system_call(1)
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SCT = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def icd_line(order: int, code: str, billable: int, short: str, long: str) -> str:
    return f"{order:05d} {code:<7} {billable} {short:<60} {long}\n"


def icd_release(folder: Path, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    rows = [
        (1, "Q00", 0, "Made-up fever", "Made-up fever"),
        (2, "Q000", 1, "Made-up fever, mild", "Made-up fever, mild form"),
        (3, "Q001", 0, "Made-up fever, severe", "Made-up fever, severe form"),
        (4, "Q0010", 1, "Severe, left", "Made-up fever, severe form, left side"),
        (5, "Q01", 1, "Made-up cough", "Made-up cough"),
    ]
    (folder / "icd10cm_order_2026.txt").write_text("".join(icd_line(*row) for row in rows) + more)
    return folder


def rf2(folder: Path, kind: str, name: str, rows: list[tuple[str, ...]]) -> None:
    (folder / f"sct2_{kind}_{name}INT_20260101.txt").write_text("\n".join("\t".join(r) for r in rows) + "\n")


def snomed_release(folder: Path) -> Path:
    """1 > 2 > (3, 4), 4 also below 5; 6 is inactive."""
    folder.mkdir()
    head = ("id", "effectiveTime", "active", "moduleId")
    concepts = [(str(n), "20260101", "0" if n == 6 else "1", "900000000000207008") for n in range(1, 7)]
    rf2(
        folder, "Concept", "Snapshot_", [(*head, "definitionStatusId"), *((*c, "900000000000074008") for c in concepts)]
    )
    columns = (*head, "conceptId", "languageCode", "typeId", "term", "caseSignificanceId")
    full, synonym = "900000000000003001", "900000000000013009"
    names = [
        "Thing (thing)",
        "Made-up heart (body)",
        "Left part (body)",
        "Right part (body)",
        "Side (thing)",
        "Old (x)",
    ]
    described = [(f"d{n}", "20260101", "1", "m", str(n), "en", full, name, "c") for n, name in enumerate(names, 1)]
    described.append(("d9", "20260101", "1", "m", "2", "en", synonym, "Ticker", "c"))
    described.append(("d10", "20260101", "1", "m", "999", "en", synonym, "Of nothing", "c"))
    rf2(folder, "Description", "Snapshot-en_", [columns, *described])
    columns = (*head, "sourceId", "destinationId", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId")
    pairs = [("2", "1"), ("3", "2"), ("4", "2"), ("4", "5"), ("5", "1")]
    related = [(f"r{n}", "20260101", "1", "m", *pair, "0", "116680003", "c", "x") for n, pair in enumerate(pairs)]
    rf2(folder, "Relationship", "Snapshot_", [columns, *related])
    return folder


def imported(
    database: Database, kind: str, path: Path, version: str | None = None, *, replace: bool = False
) -> Imported:
    return load(database, CALL, find_release(kind, path, version), lambda *_: None, replace=replace)


def test_icd_10_cm(stepped_database: Database, tmp_path: Path) -> None:
    done = imported(stepped_database, "icd-10-cm", icd_release(tmp_path / "icd", "junk line\n"))
    assert (done.version, done.concepts, done.row_errors) == ("2026", 5, 1)
    assert (done.problems[0].line, "columns" in done.problems[0].problem) == (6, True)
    terminology = Terminologies(stepped_database).of(1)
    system, concept = terminology.lookup(ICD, "Q00.10")
    assert (system.version, concept.display) == ("2026", "Made-up fever, severe form, left side")
    assert dict(concept.properties) == {"billable": "true"}
    around = terminology.read(lambda reading: list(reading.system(ICD, None).neighbours("Q00.1")))
    assert around == [("parent", "Q00"), ("child", "Q00.10")]
    assert terminology.subsumes(ICD, "Q00", "Q00.10") == "subsumes"
    assert terminology.related(ICD, "Q00", above=False) == ["Q00", "Q00.0", "Q00.1", "Q00.10"]
    assert terminology.validate_code(system=ICD, code="Q77").result is False


def test_loinc(stepped_database: Database, tmp_path: Path) -> None:
    (tmp_path / "Loinc.csv").write_text(
        '"LOINC_NUM","COMPONENT","SCALE_TYP","CLASS","STATUS","SHORTNAME","LONG_COMMON_NAME"\n'
        '"1-8","Made-up sugar","Qn","CHEM","ACTIVE","Sugar","Made-up sugar in ""blood"", fasting"\n'
        '"2-6","Made-up note","Doc","DOC","DEPRECATED","","Made-up note"\n'
        '"","x","Qn","CHEM","ACTIVE","",""\n'
    )
    with pytest.raises(Incorrect, match="version"):
        find_release("loinc", tmp_path / "Loinc.csv")
    done = imported(stepped_database, "loinc", tmp_path, "2.80")
    assert (done.concepts, done.row_errors) == (2, 1)
    terminology = Terminologies(stepped_database).of(1)
    found = terminology.expand("http://loinc.org/vs", filter="sug bl")
    assert [e.concept.display for e in found.entries] == ['Made-up sugar in "blood", fasting']
    assert [e.concept.code for e in terminology.expand("http://loinc.org/vs", active_only=True).entries] == ["1-8"]
    assert ("SCALE_TYP", "Doc") in terminology.lookup("http://loinc.org", "2-6")[1].properties


def test_snomed(stepped_database: Database, tmp_path: Path) -> None:
    done = imported(stepped_database, "snomed", snomed_release(tmp_path / "rf2"))
    assert (done.concepts, done.row_errors) == (6, 1)
    assert done.version == f"{SCT}/900000000000207008/version/20260101"
    terminology = Terminologies(stepped_database).of(1)
    assert terminology.lookup(SCT, "2")[1].display == "Made-up heart (body)"
    assert terminology.subsumes(SCT, "1", "4") == "subsumes"
    assert terminology.subsumes(SCT, "3", "5") == "not-subsumed"
    assert sorted(terminology.related(SCT, "4", above=True)) == ["1", "2", "4", "5"]
    assert sorted(terminology.codes(f"{SCT}?fhir_vs=isa/2")) == [(SCT, "2"), (SCT, "3"), (SCT, "4")]
    assert terminology.member(f"{SCT}?fhir_vs=isa/2", SCT, "4") is True
    assert terminology.member(f"{SCT}?fhir_vs=isa/2", SCT, "5") is False
    assert [e.concept.code for e in terminology.expand(f"{SCT}?fhir_vs", filter="tick").entries] == ["2"]
    assert terminology.lookup(SCT, "6")[1].active is False


def test_rxnorm_from_a_zip(stepped_database: Database, tmp_path: Path) -> None:
    def line(code: str, source: str, kind: str, name: str) -> str:
        fields = [code, "ENG", "", "", "", "", "", "a1", "", "", "", source, kind, code, name, "", "N", "", ""]
        return "|".join(fields)

    rows = [
        line("11", "RXNORM", "SY", "Fakezol pill"),
        line("11", "RXNORM", "SCD", "fakezole 5 MG Oral Tablet"),
        line("11", "OTHER", "AB", "not ours"),
        "short|line",
    ]
    archive = tmp_path / "RxNorm_full_01052026.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("rrf/RXNCONSO.RRF", "\n".join(rows) + "\n")
    done = imported(stepped_database, "rxnorm", archive)
    assert (done.version, done.concepts, done.row_errors) == ("01052026", 1, 1)
    concept = Terminologies(stepped_database).of(1).lookup(RXNORM, "11")[1]
    assert concept.display == "fakezole 5 MG Oral Tablet"
    assert ("SY", "en", "Fakezol pill") in concept.terms


def test_a_stopped_import_goes_on(stepped_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "CHUNK", 2)
    folder = icd_release(tmp_path / "icd")
    release = find_release("icd-10-cm", folder)
    calls: list[int] = []

    def stop(_what: str, done: int, _total: int) -> None:
        calls.append(done)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(stepped_database, CALL, release, stop)
    terminology = Terminologies(stepped_database).of(1)
    assert (
        terminology.validate_code(system="http://example.org", code="x", value_set="http://loinc.org/vs").result
        is False
    )
    with pytest.raises(Exception, match="not here"):
        terminology.lookup(ICD, "Q00")
    done = load(stepped_database, CALL, release, lambda *_: None)
    assert (done.resumed, done.concepts) == (True, 5)
    assert terminology.related(ICD, "Q00", above=False) == ["Q00", "Q00.0", "Q00.1", "Q00.10"]

    with pytest.raises(Conflict, match="already"):
        imported(stepped_database, "icd-10-cm", folder)
    assert imported(stepped_database, "icd-10-cm", folder, replace=True).concepts == 5


def test_other_files_do_not_go_on(stepped_database: Database, tmp_path: Path) -> None:
    folder = icd_release(tmp_path / "icd")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(stepped_database, CALL, find_release("icd-10-cm", folder), stop)
    icd_release(folder, icd_line(6, "Q02", 1, "More", "More"))
    with pytest.raises(Incorrect, match="other files"):
        imported(stepped_database, "icd-10-cm", folder)
    with pytest.raises(Incorrect, match="no file for SNOMED"):
        find_release("snomed", folder)
    with pytest.raises(Incorrect, match="not a code system"):
        find_release("icd-9", folder)
