"""What bookings write as FHIR is valid: it is stored without being validated again each time."""

from dataclasses import replace

import pytest

from kiungo.domains.vems.mapping.requests import REQUEST_STATUS, TASK_STATUS, Place, service_request, task
from kiungo.domains.vems.rules.booking import price
from kiungo.fhir.prepare import prepare, prepare_made
from tests.domains.vems.cases import book, request

PLACE = Place("VB0011223344AA", "CLM-1", "pat-1", "FID-32-121583-3", "Harbour County Hospital", "org-1")
LINES = tuple(replace(line, line_id=f"line-{line.number}") for line in price(book(), request()))


@pytest.mark.parametrize("place", [PLACE, replace(PLACE, organization="", facility_name='A "quoted" name')])
@pytest.mark.parametrize("state", REQUEST_STATUS)
def test_every_service_request_is_valid(state, place: Place) -> None:
    for line in LINES:
        resource = service_request(replace(line, state=state), place, authored_us=1_700_000_000_123_456)
        assert prepare(resource, id=line.line_id).rows == prepare_made(resource, id=line.line_id).rows


@pytest.mark.parametrize("state", TASK_STATUS)
def test_every_task_is_valid(state) -> None:
    resource = task(PLACE, LINES, state, authored_us=1_700_000_000_123_456, modified_us=1_700_000_000_123_456)
    assert prepare(resource, id="task-1").rows == prepare_made(resource, id="task-1").rows
