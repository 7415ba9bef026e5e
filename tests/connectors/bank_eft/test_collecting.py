"""The bank's files are stored once, then moved away; a crash in between repeats nothing."""

from kiungo.connectors.bank_eft.client import LocalFolder
from kiungo.connectors.bank_eft.collecting import collect
from kiungo.kernel.database import Database


def kinds(database: Database) -> list[str]:
    return [row[0] for row in database.read(lambda unit: unit.rows("SELECT kind FROM job ORDER BY id"))]


def test_files_become_jobs_once(stepped_database: Database, tmp_path) -> None:
    folder = LocalFolder(tmp_path)
    for name in ("ACK-B1-1.xml", "STM-1.xml", "notes.txt"):
        folder.put("in", name, b"<x/>")
    (tmp_path / "in" / "STM-2.xml.part").write_bytes(b"half")
    assert collect(stepped_database, folder, tenant=1, rail="bank") == 3
    assert collect(stepped_database, folder, tenant=1, rail="bank") == 0
    assert kinds(stepped_database) == ["settlement.notice", "reconciliation.statement"]
    assert stepped_database.read(lambda unit: unit.value("SELECT count(*) FROM inbox")) == 3
    (tmp_path / "in" / "STM-1.xml").write_bytes(b"<x/>")  # a crash before it was moved away
    assert collect(stepped_database, folder, tenant=1, rail="bank") == 1
    assert len(kinds(stepped_database)) == 2


def test_a_name_used_for_another_file_is_another_file(stepped_database: Database, tmp_path) -> None:
    folder = LocalFolder(tmp_path)
    for body in (b"<x/>", b"<y/>"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / "STM-1.xml").write_bytes(body)
        collect(stepped_database, folder, tenant=1, rail="bank")
    assert kinds(stepped_database) == ["reconciliation.statement", "reconciliation.statement"]
