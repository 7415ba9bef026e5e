"""Requests read strictly; what means the same has one fingerprint."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.domains.vems.errors import render
from kiungo.domains.vems.stated import fingerprint, kept_form, parse
from kiungo.kernel import json
from tests.domains.vems.cases import body


def refused(sent: Any) -> dict[str, Any]:
    with pytest.raises(Incorrect) as caught:
        parse(json.dumps(sent))
    assert caught.value.http_status == 422
    return json.loads(render(caught.value, "r").body)  # type: ignore[no-any-return]


def test_the_guides_validation_answer() -> None:
    sent = body(services=[{"serviceCode": "F8735", "serviceDate": "02/11/2025"}])
    assert refused(sent) == {
        "success": False,
        "errors": {"services.0.serviceDate": ["The services.0.serviceDate must be a valid date."]},
    }


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"patientCR": None}, {"patientCR"}),
        ({"paymentMode": "barter"}, {"paymentMode"}),
        ({"paymentMode": 7}, {"paymentMode"}),
        ({"claimID": "x" * 129, "facilityFrCode": " "}, {"claimID", "facilityFrCode"}),
        ({"services": []}, {"services"}),
        ({"services": {"serviceCode": "F8735"}}, {"services"}),
        ({"services": [3]}, {"services.0"}),
        ({"services": [{}]}, {"services.0.serviceCode", "services.0.serviceDate"}),
        ({"services": [{"serviceCode": "F8735", "serviceDate": "2025-11-02T10:51:00"}]}, {"services.0.serviceDate"}),
        ({"services": [{"serviceCode": "F8735", "serviceDate": "2025-02-30T10:51:00Z"}]}, {"services.0.serviceDate"}),
        ({"services": [{"serviceCode": "F8735", "serviceDate": "2025-11-02T10:51:00Z"}] * 2}, {"services.1"}),
        ({"services": [{"serviceCode": "F1", "serviceDate": "2025-11-02T10:51:00Z"}] * 51}, {"services"}),
        ({"claimID": "a\u0007b"}, {"claimID"}),
    ],
)
def test_every_wrong_field_is_named(changes: dict[str, Any], fields: set[str]) -> None:
    assert set(refused(body(**changes))["errors"]) == fields


@pytest.mark.parametrize("sent", [b"", b"{", b"\xff", b'{"a": NaN}'])
def test_what_is_not_json_is_400(sent: bytes) -> None:
    with pytest.raises(Incorrect) as caught:
        parse(sent)
    assert caught.value.http_status == 400


@pytest.mark.parametrize(
    "written",
    ["2025-11-02T10:51:00Z", "2025-11-02T10:51:00.000000Z", "2025-11-02T13:51:00.000+03:00", "2025-11-02T10:51:00.0Z"],
)
def test_one_moment_however_written_is_one_body(written: str) -> None:
    services = [{"serviceCode": "F8735", "serviceDate": "2025-11-02T10:51:00.000Z"}]
    other = [{"serviceDate": written, "serviceCode": "F8735"}]
    first = parse(json.dumps(body(services=services)))
    assert kept_form(first) == kept_form(parse(json.dumps(body(services=other))))
    assert kept_form(first) != kept_form(parse(json.dumps(body(services=services, patientCR="CR2"))))
    assert fingerprint(kept_form(first)) != fingerprint(kept_form(parse(json.dumps(body(claimID="another")))))


NAMES = st.sampled_from(["patientCR", "paymentMode", "services", "claimID", "serviceCode", "serviceDate"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner)))
def test_nothing_that_is_json_breaks_the_reader(sent: Any) -> None:
    with pytest.raises(Incorrect) as caught:  # no facility code among the names: nothing here is a whole request
        parse(json.dumps(sent))
    assert caught.value.http_status in (400, 422)
