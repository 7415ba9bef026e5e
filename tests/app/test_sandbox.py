"""The simulated outside by itself: its faults are shown and set while it runs, and its variables connect a platform."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

import kiungo.connectors
from kiungo.app.cli import app
from kiungo.app.connecting import variables
from kiungo.app.registry import FollowSettings, connector_settings
from kiungo.app.sandbox import Sandbox
from kiungo.app.sandbox_faults import KNOWN
from kiungo.kernel import json

FOLDER_OF = {"bank": "bank_eft"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(0, seed=7)
    yield made
    made.close()


@pytest.mark.parametrize("name", KNOWN)
def test_every_fault_of_a_twin_can_be_set(name: str) -> None:
    twin = Path(kiungo.connectors.__path__[0]) / FOLDER_OF.get(name, name) / "twin.py"
    assert set(re.findall(r'strikes\("([a-z_]+)"\)', twin.read_text())) == set(KNOWN[name])


def test_a_planned_fault_strikes_as_often_as_asked(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    run = CliRunner().invoke
    planned = run(app, ["sandbox", "plan", "afyalink", "down", "--times", "2", "--port", port, "--json"])
    assert planned.exit_code == 0, planned.output
    assert json.loads(planned.stdout)["twins"]["afyalink"]["down"]["planned"] == 2
    for expected in (503, 503, 404):
        assert httpx.get(f"{sandbox.url}/afyalink/nothing").status_code in (expected, 401, 400)
    shown = json.loads(run(app, ["sandbox", "faults", "--port", port, "--json"]).stdout)
    assert shown["twins"]["afyalink"]["down"] == {
        "what": "503 with Retry-After", "planned": 0, "rate": 0, "struck": 2,
    }  # fmt: skip
    run(app, ["sandbox", "plan", "sms", "busy", "--rate", "0.5", "--port", port])
    assert sandbox.faults["sms"].rates == {"busy": 0.5}
    assert "none" in run(app, ["sandbox", "calm", "--port", port]).stdout
    assert sandbox.faults["sms"].rates == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "send a JSON object"),
        (b'{"twin": "mpesa"}', "fault of mpesa is one of lost_answer"),
        (b'{"twin": "visa", "fault": "down"}', "twin is one of afyalink"),
        (b'{"twin": ["mpesa"], "fault": "down"}', "twin is one of afyalink"),
        (b'{"twin": "mpesa", "fault": "lost_answer", "times": 0}', "times is"),
        (b'{"twin": "mpesa", "fault": "lost_answer", "rate": 1.5}', "rate is"),
        (b'{"twin": "mpesa", "fault": "lost_answer", "rate": "often"}', "rate is"),
    ],
)
def test_a_mistake_says_what_there_is(sandbox: Sandbox, body: bytes, said: str) -> None:
    answer = httpx.post(f"{sandbox.url}/faults/", content=body)
    assert (answer.status_code, said in answer.json()["error"]) == (400, True), answer.text
    assert httpx.get(f"{sandbox.url}/faults/nothing").status_code == 404


def test_nobody_there_is_told_with_the_way_out() -> None:
    answer = CliRunner().invoke(app, ["sandbox", "faults", "--port", "1"])
    assert answer.exit_code == 3
    assert "kiungo dev" in answer.output


def test_the_variables_say_what_the_settings_say(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = sandbox.settings("http://127.0.0.1:8000", "a-key", follow=FollowSettings(interval_s=7))
    for name, value in variables(settings).items():
        monkeypatch.setenv(name, value)
    assert connector_settings() == settings


@pytest.mark.slow
def test_it_runs_alone_until_it_is_told_to_stop(tmp_path: Path) -> None:
    env = tmp_path / "sandbox.env"
    command = [sys.executable, "-c", "from kiungo.app.cli import main; main()", "sandbox", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KIUNGO_")}
    with subprocess.Popen([*command, "--env", str(env)], env=environment, stdout=subprocess.DEVNULL) as process:
        end_s = time.monotonic() + 30
        while not (env.exists() and "SENDER" in env.read_text()) and time.monotonic() < end_s:
            time.sleep(0.1)
        url = re.search(r"KIUNGO_SHA_BASE_URL=(\S+)", env.read_text())
        assert url is not None
        assert env.stat().st_mode & 0o077 == 0
        assert httpx.get(url.group(1).replace("/sha", "/faults/")).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
