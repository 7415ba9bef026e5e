"""A database with the sample data, and keys for it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from kiungo.domains.payor import roles, sample
from kiungo.domains.payor.registers import Registers
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.database import Unit, open_database

QUICK = "test_once"
"""Everything else here starts and ends whole processes, and runs in the slow lane."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests as slow, but for the one file that the fast lane keeps."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem != QUICK:
            item.add_marker(pytest.mark.slow)


CLAIM = {
    "patient_name": "John Doe",
    "insurance_id": "BC-789-456",
    "diagnosis_code": "J20.9",
    "procedure_code": "99213",
    "amount": "1250.00",
    "date_of_service": "2024-10-03",
}


@dataclass(frozen=True)
class Installed:
    """Where it is and how to get in."""

    url: str
    folder: Path
    provider_key: str
    records_key: str


@pytest.fixture
def installed(database_url: str, tmp_path: Path) -> Installed:
    """The sample data on either engine."""
    return install(database_url, tmp_path)


def install(database_url: str, folder: Path) -> Installed:
    """Load the sample data, a key of PROV-001 and one for FHIR."""
    database = open_database(database_url, stepped=True)
    call = system_call(1, name="test")

    def fill(unit: Unit) -> tuple[str, str]:
        sample.load(Registers(Repository(database.clock)), unit, call)
        _, provider = create_key(unit, call, name="p", roles=(roles.PROVIDER.name,), bindings={"provider": "PROV-001"})
        _, records = create_key(unit, call, name="r", scopes=("system/*.cruds",))
        return provider, records

    try:
        provider_key, records_key = database.write(fill)
    finally:
        database.close()
    return Installed(database_url, folder, provider_key, records_key)
