"""What the OpenAPI document allows, and worse: never a fault, never a status the document does not name.

Schemathesis draws requests from the document itself, so a new route is tested as soon as it is described.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import status_code_conformance

from kiungo.domains.payor import sample
from kiungo.domains.payor.registers import Registers
from kiungo.domains.vems.contracting import CONTRACT_CHANGED_TOPIC, ContractDesk
from kiungo.domains.vems.loading import load_sample as load_bookings
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.database import Unit, migrate, open_database
from kiungo.kernel.outbox import Outbox

from .conftest import CLAIM
from .running import Platform

EXAMPLES = 12
HEADERS: dict[str, str] = {}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One server for all operations, with sample data, a claim and an administrator's key."""
    folder: Path = tmp_path_factory.mktemp("contract")
    url = f"sqlite:///{folder / 'kiungo.db'}"
    migrate(url)
    database = open_database(url, stepped=True)
    call = system_call(1, name="test")

    def fill(unit: Unit) -> str:
        sample.load(Registers(Repository(database.clock)), unit, call)
        load_bookings(ContractDesk(Outbox({CONTRACT_CHANGED_TOPIC: ()})), unit, call)
        return create_key(unit, call, name="admin", roles=("administrator",))[1]

    HEADERS["X-API-Key"] = database.write(fill)
    database.close()
    with Platform(url, folder, KIUNGO_RATE_PER_MINUTE="1000000") as platform:
        with platform.client(HEADERS["X-API-Key"]) as client:
            assert client.post("/api/claims/", json=CLAIM | {"provider_id": "PROV-001"}).status_code == 201
        yield platform


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_operation_answers_as_documented(served: Platform) -> None:
    schema = schemathesis.openapi.from_url(f"{served.url}/api/openapi.json")
    problems: dict[str, str] = {}
    statuses: Counter[int] = Counter()
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in operations:
        try:
            try_operation(operation, statuses)
        except Exception as found:  # every operation's first problem is listed, not only the first operation's
            problems[operation.label] = "\n".join(str(found).splitlines()[:12])
    assert len(operations) > 40
    assert statuses[2] > 100, "some requests are as they should be"
    assert statuses[4] > 100, "and some are not"
    assert not problems, "\n\n".join(f"{label}: {problem}" for label, problem in problems.items())


def try_operation(operation: APIOperation, statuses: Counter[int]) -> None:
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE) | negative(operation))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    def holds(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers=HEADERS, checks=[status_code_conformance])
        # What stands outside is not connected here: that is a 503 which says when to come back, never a fault.
        is_away = answer.status_code == 503 and "retry-after" in answer.headers
        assert answer.status_code < 500 or is_away, answer.text
        statuses[answer.status_code // 100] += 1

    holds()


def negative(operation: APIOperation) -> SearchStrategy:
    return operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
