"""Told to stop, the platform finishes what it began and closes its database."""

import signal
from pathlib import Path

import pytest

from .conftest import CLAIM, Installed
from .running import Platform


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("told_by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_ends_in_order(installed: Installed, told_by: signal.Signals) -> None:
    database = Path(installed.url.removeprefix("sqlite:///"))
    with Platform(installed.url, installed.folder) as platform:
        with platform.client(installed.provider_key) as client:
            assert client.post("/api/claims/", json=CLAIM).status_code == 201
        assert platform.stop(told_by) == 0, platform.errors
    left = [file.name for file in database.parent.glob(database.name + "-*")]
    assert left == [], "the log was moved into the database file and removed"
