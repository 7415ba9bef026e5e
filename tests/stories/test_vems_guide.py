"""The booking guides' own text against the platform as `dev` runs it: clients unchanged, examples to the digit."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from kiungo.app.demo.stage import Stage, stage
from kiungo.kernel import json

DOCUMENTS = Path(__file__).parents[2].parent / "shared" / "source-documents"
GUIDE, WORKFLOW = DOCUMENTS / "001_2ce33464691004d0.txt", DOCUMENTS / "000_bdec664378ad9a8f.txt"
PRINTED_NO = "VB673D4F2A1B3E"
BASE = "https://api.vems.go.ke"

pytestmark = pytest.mark.skipif(not GUIDE.exists(), reason="the booking guides are not beside this checkout")


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with stage() as here:
        yield here


@pytest.fixture
def http(running: Stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=30) as client:
        yield client


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found


def example(*words: str) -> Any:
    """The JSON example that has all these words."""
    found = next(block for block in blocks("json") if all(word in block for word in words))
    return json.loads(found[found.index("{") :])


def without(tree: Any, *names: str) -> Any:
    return {name: value for name, value in tree.items() if name not in names}


@pytest.mark.parametrize(
    ("language", "program", "suffix", "total"),
    [("python", sys.executable, ".py", "15000.0"), ("php", "php", ".php", "15000")],
)
def test_a_printed_client_runs_unchanged(
    running: Stage, tmp_path: Path, language: str, program: str, suffix: str, total: str
) -> None:
    """Nothing of it is changed but the host it speaks to."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (source,) = blocks(language)
    script = tmp_path / f"client{suffix}"
    script.write_text(source.replace(BASE, running.url), encoding="utf-8")
    done = subprocess.run([program, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, f"Total Amount: KES {total}"), done.stderr


def test_the_services_example_is_what_is_offered(http: httpx.Client) -> None:
    (printed,) = example('"serviceCode": "F8735"', '"isCapitated": false', '"shaRate"', '"data"')["data"]
    answer = json.loads(http.get("/hmis/v1/services", params={"fr_code": "FID-32-121583-3"}).content)
    assert printed in answer["data"]
    offered = next(one for one in answer["data"] if one["serviceCode"] == "F8735")
    assert [str(offered[name]) for name in ("shaRate", "serviceFee")] == ["15000.00", "500.00"]


def test_the_cost_distribution_example_is_answered_to_the_digit(http: httpx.Client) -> None:
    asked = example('"patientCR"', '"F8736"')
    printed = example('"totalAmount": 31000.00')
    answer = http.post("/hmis/v1/bookings/cost-distribution", json=asked | {"claimID": "printed-1"})
    assert answer.status_code == 200
    found = json.loads(answer.content)
    assert without(found, "bookingNo", "claimID") == without(printed, "bookingNo", "claimID")
    assert list(found) == list(printed), "the order of the fields is the guide's"
    assert re.fullmatch("VB[0-9A-F]{12}", found["bookingNo"])
    for text in ('"totalAmount":31000.00', '"vemsTotal":15000.00', '"vendorShare":11000.00'):
        assert text in answer.text.replace(" ", "")


def test_the_short_sample_revises_the_same_booking(http: httpx.Client) -> None:
    """The guide's flow asks twice with one claimID: first for two services, then for one."""
    whole = example('"patientCR"', '"F8736"') | {"claimID": "printed-2"}
    first = http.post("/hmis/v1/bookings/cost-distribution", json=whole).json()
    again = http.post("/hmis/v1/bookings/cost-distribution", json=whole | {"services": whole["services"][:1]})
    assert (again.status_code, again.json()["bookingNo"]) == (200, first["bookingNo"])
    assert str(json.loads(again.content)["totalAmount"]) == "15000.00"


def test_the_status_example_has_the_fields_we_answer(running: Stage, http: httpx.Client) -> None:
    printed = example('"bookingId"')
    asked = example('"patientCR"', '"F8736"') | {"claimID": "printed-3"}
    asked["services"] = asked["services"][:1]
    number = http.post("/hmis/v1/bookings/cost-distribution", json=asked).json()["bookingNo"]
    line = http.get(f"/hmis/v1/bookings/{number}").json()["bookedServices"][0]["serviceBookingId"]
    http.post(f"/vems/v1/bookings/{number}/confirm")
    http.post(f"/vems/v1/bookings/{number}/services/{line}/complete")
    supervisor = {"X-API-Key": running.keys["booking supervisor"]}
    decided = {"approvalStatus": "approved", "bookingStatus": "confirmed", "reason": "as the guide prints it"}
    second = {"X-API-Key": running.keys["second booking supervisor"]}
    assert http.post(f"/vems/v1/bookings/{number}/override", json=decided, headers=supervisor).status_code == 202
    by_hand = http.post(f"/vems/v1/bookings/{number}/override/confirm", json=decided, headers=second)
    assert by_hand.status_code == 200
    found = json.loads(http.get(f"/hmis/v1/bookings/{number}").content)
    assert shape(found) == shape(printed)
    own = ("bookingId", "bookingNo", "createdAt", "updatedAt", "bookedServices", "override")
    assert without(found, *own) == without(printed, *own)
    (service,), (wanted,) = found["bookedServices"], printed["bookedServices"]
    assert without(service, "serviceBookingId") == without(wanted, "serviceBookingId")
    for name in ("createdAt", "updatedAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found[name])


@pytest.mark.parametrize(
    ("words", "changes", "status"),
    [
        (("Facility not found",), {"facilityFrCode": "FID-INVALID-CODE"}, 404),
        (("Patient not found in HIE",), {"patientCR": "CR9999999"}, 404),
        (("Service with code 'F9999' not found",), {"services": [{"serviceCode": "F9999"}]}, 404),
        (("services.0.serviceDate",), {"services": [{"serviceCode": "F8735", "serviceDate": "soon"}]}, 422),
    ],
)
def test_the_printed_errors_are_answered(
    http: httpx.Client, words: tuple[str, ...], changes: dict[str, Any], status: int
) -> None:
    asked = example('"patientCR"', '"F8736"') | {"claimID": "printed-4"}
    for service in changes.get("services", ()):
        service.setdefault("serviceDate", asked["services"][0]["serviceDate"])
    answer = http.post("/hmis/v1/bookings/cost-distribution", json=asked | changes)
    assert (answer.status_code, answer.json()) == (status, example(*words))


def test_the_workflows_figures_are_the_contracts(http: httpx.Client) -> None:
    """The workflow's diagram shares 15,000 as 10,000, 4,500 and 500."""
    printed = dict(re.findall(r"(vendorShare|facilityShare|serviceFee|vemsTotal): (\d+)", WORKFLOW.read_text()))
    asked = example('"patientCR"', '"F8736"') | {"claimID": "printed-5"}
    asked["services"] = asked["services"][:1]
    (service,) = json.loads(http.post("/hmis/v1/bookings/cost-distribution", json=asked).content)["services"]
    assert {name: Decimal(amount) for name, amount in printed.items()} == {name: service[name] for name in printed}
    assert len(printed) == 4


def shape(tree: Any) -> Any:
    """The names of a tree, in their order, and the kinds of its values."""
    if isinstance(tree, dict):
        return [(name, shape(value)) for name, value in tree.items()]
    if isinstance(tree, list):
        return [shape(one) for one in tree]
    return type(tree).__name__
