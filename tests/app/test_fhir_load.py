"""`kiungo fhir load`: what it tells people and machines, and a process killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kiungo.fhir.loading.sources import LINES_IN_PART
from kiungo.kernel.database import open_database

from .conftest import Run


def line(number: int) -> str:
    return json.dumps({"resourceType": "Basic", "id": f"b-{number}", "code": {"text": f"number {number}"}}) + "\n"


def test_it_says_what_it_did_and_where_the_refused_are(run: Run, tmp_path: Path) -> None:
    file, told = tmp_path / "some.ndjson", tmp_path / "refused.ndjson"
    file.write_text(line(1) + "{}\n" + line(2))
    answer = run("fhir", "load", str(file), "--errors", str(told), "--workers", "0")
    assert answer.exit_code == 1
    assert "2 created, 0 updated, 0 unchanged in 1 file." in answer.stdout
    refused = json.loads(told.read_text())
    assert (refused["file"], refused["line"], refused["code"]) == ("some.ndjson", 2, "RESOURCE_INVALID")
    again = run("fhir", "load", str(file), "--json", "--workers", "0")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["skipped"] == 1


def test_a_folder_without_files_is_refused(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run("fhir", "load", str(empty)).exit_code == 2


@pytest.mark.slow
def test_a_killed_load_goes_on_and_loses_and_repeats_nothing(run: Run, database_url: str, tmp_path: Path) -> None:
    count = 5_000
    file = tmp_path / "many.ndjson"
    file.write_text("".join(line(number) for number in range(count)))
    words = ["fhir", "load", str(file), "--errors", str(tmp_path / "errors")]
    program = "import sys; from kiungo.app.cli import main; sys.argv[0] = 'kiungo'; main()"
    process = subprocess.Popen([sys.executable, "-c", program, *words], env=dict(os.environ), start_new_session=True)
    database = open_database(database_url, stepped=True)

    def stored(sql: str) -> int:
        found: int = database.read(lambda unit: unit.value(sql))
        return found

    try:
        until_s = time.monotonic() + 60
        while stored("SELECT count(*) FROM inbox") < 3:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until_s
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        before = stored("SELECT count(*) FROM fhir_resource")
        assert 0 < before < count
        done = json.loads(run(*words, "--json").stdout)
        assert done["created"] == count - before
        assert done["skipped"] == before // LINES_IN_PART
        assert stored("SELECT count(*) FROM fhir_resource") == count
        assert stored("SELECT count(*) FROM fhir_history") == 0
        assert stored("SELECT count(*) FROM audit WHERE action = 'create'") == count
    finally:
        database.close()
