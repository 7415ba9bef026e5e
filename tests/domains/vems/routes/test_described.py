"""Every route of bookings and their money against its own description: statuses, refusals in the documented shape.

Schemathesis draws requests from the OpenAPI document, also wrong ones; the rails are connected, unlike in
tests/faults/test_contract.py, and there are settlements, payments and statement lines to act on.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import status_code_conformance

from kiungo.base.time import TurnedClock
from kiungo.domains.vems.routes.describing import REFUSED
from tests.conftest import START
from tests.domains.vems.routes.conftest import Office, open_office

PATHS = ("/hmis/", "/api/v1/", "/vems/")
EXAMPLES = 10


@pytest.fixture(scope="module")
def served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("described")
    shutil.copy(sqlite_template, folder / "kiungo.db")
    with open_office(f"sqlite:///{folder / 'kiungo.db'}", folder, TurnedClock(START)) as office:
        office.world.fund("100000.00")
        office.approved()
        office.world.settle()
        yield office


@pytest.fixture(scope="module")
def document(served: Office) -> dict[str, Any]:
    return served.client.get("/api/openapi.json").json()


def test_every_route_documents_what_it_can_refuse_with(document: dict[str, Any]) -> None:
    checked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not path.startswith(PATHS):
                continue
            wanted = {"400", "401", "403", "404", "422", "429", "500", "503"}
            wanted |= {"408", "409", "413"} if method != "get" else set()
            assert wanted <= operation["responses"].keys(), (method, path)
            for status in wanted:
                schema = operation["responses"][status]["content"]["application/json"]["schema"]
                assert schema == {"$ref": f"#/components/schemas/{REFUSED}"}, (method, path, status)
            checked += 1
    assert checked > 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_answer_is_a_documented_one(served: Office) -> None:
    schema = schemathesis.openapi.from_url(f"{served.url}/api/openapi.json")
    problems: dict[str, str] = {}
    statuses: Counter[int] = Counter()
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        if operation.path.startswith(PATHS):
            try:
                _try(served, operation, statuses)
            except Exception as found:  # every operation's first problem is listed, not only the first operation's
                problems[operation.label] = "\n".join(str(found).splitlines()[:12])
    assert not problems, "\n\n".join(f"{label}: {problem}" for label, problem in problems.items())
    assert statuses[2] > 50, "some requests are as they should be"
    assert statuses[4] > 50, "and some are not"


def is_refusal(body: Any) -> bool:
    """Whether a body has the documented shape of an error: a sentence with its cause, or sentences by field."""
    told = isinstance(body.get("message"), str) and isinstance(body.get("error"), str)
    fields = body.get("errors", {})
    listed = all(isinstance(sentence, str) for sentences in fields.values() for sentence in sentences)
    return body["success"] is False and (told or bool(fields)) and listed


def _try(served: Office, operation: APIOperation, statuses: Counter[int]) -> None:
    drawn = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    headers = served.person("ann")

    @given(case=drawn[0] | drawn[1])
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
        answer = case.call_and_validate(headers=headers, checks=[not_a_server_error, status_code_conformance])
        statuses[answer.status_code // 100] += 1
        if answer.status_code >= 400:
            assert is_refusal(answer.json()), answer.text

    holds()
