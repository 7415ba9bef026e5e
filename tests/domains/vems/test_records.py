"""What bookings write as FHIR is valid: it is stored without being validated again each time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.domains.vems.mapping.records import Records
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


MOMENTS = st.integers(-2_000_000_000_000_000, 250_000_000_000_000_000)
IDS = st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40).filter(str.strip)
PLACES = st.builds(
    Place,
    booking_no=st.one_of(st.from_regex("VB[0-9A-F]{12}", fullmatch=True), NAMES),
    claim_id=NAMES,
    patient=IDS,
    facility=st.sampled_from(["FID-32-121583-3", "2024"]),
    facility_name=st.sampled_from(["Harbour County Hospital", 'A "quoted" name']),
    organization=st.sampled_from(["org-1", ""]),
)


@pytest.fixture(scope="module")
def records() -> Records:
    return Records()


@given(place=PLACES, state=st.sampled_from(list(REQUEST_STATUS)), line_id=IDS, at_us=MOMENTS, authored_us=MOMENTS)
@settings(max_examples=60, deadline=None)
def test_a_moulded_service_request_is_indexed_as_any_other(records, place, state, line_id, at_us, authored_us) -> None:
    for line in LINES:
        one = replace(line, state=state, line_id=line_id, at_us=at_us)
        resource = service_request(one, place, authored_us=authored_us)
        assert records.request(one, place, authored_us=authored_us) == prepare_made(resource, id=line_id)


@given(
    place=PLACES, state=st.sampled_from(list(TASK_STATUS)), ids=st.lists(IDS, min_size=1, max_size=4),
    authored_us=MOMENTS, modified_us=MOMENTS,
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_moulded_task_is_indexed_as_any_other(records, place, state, ids, authored_us, modified_us) -> None:
    lines = [replace(LINES[0], line_id=line_id) for line_id in ids]
    resource = task(place, lines, state, authored_us=authored_us, modified_us=modified_us)
    found = records.task("task-1", place, lines, state, authored_us=authored_us, modified_us=modified_us)
    assert found == prepare_made(resource, id="task-1")
