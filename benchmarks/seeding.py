"""A database to measure on: the sample plans, many members each of a family of its own, and API keys."""

from dataclasses import dataclass
from functools import partial

from kiungo.domains.payor import sample
from kiungo.domains.payor.model import Coverage, Member
from kiungo.domains.payor.registers import Registers
from kiungo.fhir.own_parameters.reindexing import ensure_standard
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.database import Unit, migrate, open_database

TENANT = 1
PROVIDER = "PROV-001"
AT_ONCE = 200
CLAIM_SCOPES = ("read:claims", "write:claims", "read:webhooks", "write:webhooks")
UNLIMITED = 100_000_000


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a run needs to know. Shapes: `patients` are FHIR ids, in the order of the members."""

    url: str
    members: int
    claims_key: str
    records_key: str
    patients: tuple[str, ...]


def seed(url: str, members: int) -> Seeded:
    """Migrate and fill a database; the members are `BM-000000` and up, under the guide's plan."""
    migrate(url)
    database = open_database(url)
    try:
        call = system_call(TENANT, name="bench")
        database.write(lambda unit: ensure_standard(unit, TENANT))  # as the first start of a server does
        registers = Registers(Repository(database.clock))
        database.write(lambda unit: sample.load(registers, unit, call))
        patients: list[str] = []
        for first in range(0, members, AT_ONCE):
            numbers = range(first, min(members, first + AT_ONCE))
            patients += database.write(partial(_members, registers, numbers))
        claims_key = database.write(partial(_key, scopes=CLAIM_SCOPES, bindings={"provider": PROVIDER}))
        records_key = database.write(partial(_key, scopes=("system/*.cruds",), bindings={}))
        database.gather_statistics(3 * members)  # a member, its Patient and its Coverage
    finally:
        database.close()
    return Seeded(url, members, claims_key, records_key, tuple(patients))


def _members(registers: Registers, numbers: range, unit: Unit) -> list[str]:
    call = system_call(TENANT, name="bench")
    covers = (Coverage(sample.STANDARD, "2020-01-01"),)
    return [
        registers.put_member(
            unit,
            call,
            Member(f"BM-{number:06d}", f"BF-{number:06d}", f"Bench Member {number}", covers, "1980-01-01", "female"),
        ).fhir_id
        for number in numbers
    ]


def _key(unit: Unit, *, scopes: tuple[str, ...], bindings: dict[str, str]) -> str:
    call = system_call(TENANT, name="bench")
    _, text = create_key(unit, call, name="bench", scopes=scopes, bindings=bindings, rate_per_minute=UNLIMITED)
    return text
