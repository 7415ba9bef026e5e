"""What /api/docs/ shows first, and that every group of it is explained."""

from typing import Any

import httpx
import pytest

from tests.console.conftest import House, house
from tests.docs.test_examples import curl, curls

__all__ = ["house"]  # the console's fixture, used here by its name


@pytest.fixture
def document(house: House) -> dict[str, Any]:
    return httpx.get(f"{house.url}/api/openapi.json", timeout=20).json()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def test_claims_come_first_and_every_group_is_explained(document: dict[str, Any]) -> None:
    assert next(iter(document["paths"])) == "/api/claims/"
    tags = [tag["name"] for tag in document["tags"]]
    assert tags[0] == "claims"
    assert {tag for operation in operations(document) for tag in operation["tags"]} == set(tags)


def test_every_operation_is_summarized_by_somebody(document: dict[str, Any]) -> None:
    """FastAPI would make `Show All` from show_all."""
    assert not [o["summary"] for o in operations(document) if o["summary"].istitle() and " " in o["summary"]]


def test_the_first_line_is_the_readmes_and_works(house: House, document: dict[str, Any]) -> None:
    text = document["info"]["description"]
    line = text.partition("```\n")[2].partition("```")[0].strip()
    assert line == curls("README.md")[0].strip()
    with httpx.Client(base_url=house.url, timeout=20) as client:
        assert curl(client, line).json()["status"] == "approved"
