"""The registry port over AfyaLink: a token for each call, absent fields empty, and a registry that is away says so."""

import httpx
import pytest

from kiungo.base.errors import Unavailable
from kiungo.base.time import TurnedClock
from kiungo.connectors.afyalink.client import AfyaLinkClient
from kiungo.connectors.afyalink.connector import AfyaLinkRegistry, open_registry
from kiungo.connectors.afyalink.mapping import eligibility, facility, patient
from kiungo.connectors.afyalink.settings import AfyaLinkSettings
from kiungo.connectors.afyalink.twin import AfyaLinkTwin
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.sandbox import Served, SteppedTransport
from kiungo.ports.registry import Eligibility, RegisteredPatient
from tests.connectors.afyalink.conftest import settings_for

JOHN = RegisteredPatient(
    "CR1234567", "John Kamau Mwangi", "+254712345678", "1985-05-15", "male", "National ID", "12345678"
)


def test_the_documents_patient_is_found(registry: AfyaLinkRegistry) -> None:
    assert registry.find_patient("CR1234567") == JOHN


def test_absent_fields_are_empty(registry: AfyaLinkRegistry) -> None:
    found = registry.find_patient("CR5550001")
    assert found == RegisteredPatient("CR5550001", "Wanjiru Njoroge", "", "2001-01-09", "female", "Alien ID", "A-55501")


def test_nobody_and_nowhere_are_none(registry: AfyaLinkRegistry) -> None:
    assert registry.find_patient("CR9999999") is None
    assert registry.find_facility("FID-0-0-0") is None


def test_facilities_are_found_and_listed(registry: AfyaLinkRegistry) -> None:
    found = registry.find_facility("FID-32-121583-3")
    assert found is not None
    assert (found.name, found.county, found.operational) == ("Harbour County Hospital", "Mombasa", True)
    closed = registry.find_facility("FID-21-100200-1")
    assert closed is not None
    assert not closed.operational
    assert [one.fr_code for one in registry.vems_facilities()] == ["FID-32-121583-3", "FID-42-110011-7"]


def test_eligibility_is_yes_no_and_unknown(registry: AfyaLinkRegistry) -> None:
    assert registry.eligibility("National ID", "12345678") == Eligibility(
        True, ("SHIF", "PHC"), "Proceed to service delivery"
    )
    assert not registry.eligibility("National ID", "87654321").eligible
    assert not registry.eligibility("National ID", "0").eligible


def test_every_call_has_its_own_token(registry: AfyaLinkRegistry, twin: AfyaLinkTwin) -> None:
    for _ in range(3):
        registry.find_patient("CR1234567")
    assert (twin.tokens_used, twin.requests) == (3, 6)


def test_a_refused_token_is_replaced_once(registry: AfyaLinkRegistry, twin: AfyaLinkTwin) -> None:
    twin.faults.plan("token_lost")
    assert registry.find_patient("CR1234567") == JOHN
    twin.faults.plan("token_lost", times=2)
    with pytest.raises(Unavailable, match="401"):
        registry.find_patient("CR1234567")


def test_a_token_dies_of_age(registry: AfyaLinkRegistry, twin: AfyaLinkTwin, clock: TurnedClock) -> None:
    twin.slow_s = 21.0
    twin.faults.plan("slow", after=1)  # between token and question
    assert registry.find_patient("CR1234567") == JOHN
    assert twin.tokens_used == 1


@pytest.mark.parametrize("fault", ["lost_answer", "not_json", "down"])
def test_a_bad_day_is_unavailable_with_a_time_to_wait(
    registry: AfyaLinkRegistry, twin: AfyaLinkTwin, fault: str
) -> None:
    twin.faults.plan(fault)
    with pytest.raises(Unavailable) as away:
        registry.find_patient("CR1234567")
    assert (away.value.code, away.value.retry_after_s) == ("REGISTRY_AWAY", 30.0)
    assert "CR1234567" not in str(away.value)
    assert registry.find_patient("CR1234567") == JOHN


def test_retry_after_is_honoured_within_reason(registry: AfyaLinkRegistry, twin: AfyaLinkTwin) -> None:
    for told, wanted in ((120, 120.0), (0, 1.0), (999_999, 3_600.0)):
        twin.retry_after_s = told
        twin.faults.plan("down")
        with pytest.raises(Unavailable) as away:
            registry.find_facility("FID-32-121583-3")
        assert away.value.retry_after_s == wanted


@pytest.mark.parametrize(
    "wrong", [{"agent": "SOMEBODY-ELSE"}, {"password": "no"}, {"consumer_key": "no"}, {"base_url": "http://x.test/y"}]
)
def test_wrong_credentials_are_unavailable_not_nobody(twin: AfyaLinkTwin, wrong: dict[str, str]) -> None:
    with httpx.Client(transport=SteppedTransport(twin)) as http:
        asked = AfyaLinkRegistry(AfyaLinkClient(http, settings_for(twin, **wrong)))
        with pytest.raises(Unavailable):
            asked.find_patient("CR1234567")


def test_over_real_http_and_when_slow_or_gone(live: tuple[AfyaLinkTwin, Served]) -> None:
    twin, served = live
    settings = settings_for(twin, base_url=served.url("afyalink"))
    registry = open_registry(settings, EgressPolicy(allow_loopback=True))
    assert registry.find_patient("CR1234567") == JOHN
    twin.slow_s = 0.2
    twin.faults.plan("slow")
    assert registry.find_patient("CR1234567") == JOHN
    served.close()
    with pytest.raises(Unavailable):
        open_registry(settings, EgressPolicy(allow_loopback=True)).find_patient("CR1234567")


@pytest.mark.parametrize(
    "body",
    [{}, {"message": None}, {"message": []}, {"message": {"result": None}}, {"message": {"result": [3, None, {}]}}],
)
def test_odd_answers_are_nobody(body: dict[str, object]) -> None:
    assert patient(body, "CR1") is None
    assert facility(body, "FID-1") is None
    assert not eligibility(body).eligible


def test_another_patient_than_asked_for_is_nobody() -> None:
    assert patient({"message": {"result": [{"id": "CR2", "first_name": "X"}]}}, "CR1") is None


@pytest.mark.parametrize(
    "wrong", [{"username": ""}, {"agent": ""}, {"base_url": "ftp://x"}, {"profile": "1999"}, {"nonsense": "1"}]
)
def test_wrong_settings_are_refused(twin: AfyaLinkTwin, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings_for(twin, **wrong)
    with pytest.raises(ValueError, match="username"):
        AfyaLinkSettings()
