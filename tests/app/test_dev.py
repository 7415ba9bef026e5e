"""`kiungo dev` as a newcomer starts it: the lines it prints work as printed, and its parts know each other."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kiungo.kernel import json

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[str]:
    """Everything `dev` says until it waits; it runs until the test ends."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KIUNGO_")}
    environment |= {
        "KIUNGO_DATA_DIR": str(tmp_path),
        "KIUNGO_DATABASE_URL": f"sqlite:///{tmp_path / 'dev.db'}",
        "KIUNGO_SANDBOX_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", "from kiungo.app.cli import main; main()", "dev", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Stop with" not in lines[-1]:
            line = process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        yield "".join(lines)
        process.terminate()
        process.wait(20)


def test_what_it_prints_works_as_printed(printed: str) -> None:
    commands = re.findall(r"^  (curl .+)$", printed, re.MULTILINE)
    assert len(commands) == 4
    answers = []
    for line in commands:
        done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=30, check=False)
        answers.append(json.loads(done.stdout))
    claim, booking, listed, found = answers
    assert claim["claim"]["status"] == "approved"
    assert str(booking["totalAmount"]) == "15000.00"
    assert [one["claim_id"] for one in listed["claims"]] == [claim["claim"]["claim_id"]]
    assert len(found["entry"]) >= 1

    found_by = (r"Kiungo runs at (\S+)", r"Simulated outside +(\S+)", r"^  admin +(\S+)")
    url, twins, admin = (str(re.findall(pattern, printed, re.MULTILINE)[0]) for pattern in found_by)
    webhooks = httpx.get(f"{url}/api/webhooks/", headers={"X-API-Key": admin}).json()["webhooks"]
    assert [one["webhook_url"] for one in webhooks] == [f"{url}/vems/v1/payers/hcms/notices"]
    port = twins.rpartition(":")[2]
    assert f"kiungo sandbox faults --port {port}" in printed
    assert "mpesa" in httpx.get(f"{twins}/faults/").json()["twins"]
