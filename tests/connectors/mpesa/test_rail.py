"""The rail against its twin: accepted is not paid, a lost answer is unknown, and nothing is ever sent twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from urllib.parse import urlsplit

import httpx
import pytest

from kiungo.base.errors import Incorrect, NotFound
from kiungo.base.money import Money
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.connector import MpesaRail
from kiungo.connectors.mpesa.webhook import CallbackAddresses
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.kernel.sandbox import SteppedTransport, serve
from kiungo.ports.payment import Answer, Batch, Destination, Notice, Order
from tests.connectors.mpesa.conftest import settings_for

TILL = Destination("shortcode", "600200")
PHONE = Destination("wallet", "254712345678")


def order(reference: str = "7K3MZQ4X2BHDA", shillings: int = 21_000, to: Destination = TILL) -> Order:
    return Order(reference, Money(shillings * 100, "KES"), to, "Upendo Imaging", "Booking VB1")


def submit(rail: MpesaRail, given: Order) -> Answer:
    return rail.submit(Batch("B" + given.reference, (given,), date(2026, 3, 2)))[given.reference]


def notices(rail: MpesaRail, twin, clock, seconds: float = 5) -> list[Notice]:
    """What the twin's due callbacks say, those with a wrong secret left out as the door does."""
    clock.turn(seconds=seconds)
    addresses = CallbackAddresses(settings_for(twin))
    read = []
    for callback in twin.take_due(clock.now_us()):
        *_, tenant, reference, kind, secret = urlsplit(callback.url).path.split("/")
        try:
            addresses.check(int(tenant), reference, kind, secret, "127.0.0.1")
        except NotFound:
            continue
        read += rail.read_notices(callback.body, {"reference": reference, "kind": kind})
    return read


@pytest.mark.parametrize("to", [TILL, PHONE, Destination("till", "832909")])
def test_accepted_is_not_paid_and_the_result_comes_later(rail, twin, clock, to) -> None:
    answer = submit(rail, order(to=to))
    assert (answer.status, answer.receipt) == ("accepted", "")
    (notice,) = notices(rail, twin, clock)
    assert notice.reference == "7K3MZQ4X2BHDA"
    assert notice.answer.status == "paid"
    assert notice.answer.receipt == twin.payments[0].receipt
    assert notice.amount == Money(2_100_000, "KES")
    assert notice.destination_number == to.number
    assert notice.answer.rail_ids["originator_conversation_id"] == answer.rail_ids["originator_conversation_id"]


def test_a_lost_answer_is_unknown_and_the_payment_was_made_once(rail, twin, clock) -> None:
    twin.faults.plan("lost_answer")
    assert submit(rail, order()).status == "unknown"
    assert (twin.requests, len(twin.payments)) == (1, 1)
    assert rail.query(order(), {}).status == "unknown", "a business payment cannot be asked about without its id"
    (notice,) = notices(rail, twin, clock)
    assert notice.answer.status == "paid"


def test_a_phone_payment_whose_answer_was_lost_can_be_asked_about(rail, twin, clock) -> None:
    twin.faults.plan("lost_answer")
    twin.faults.plan("dropped_result")
    lost = order(to=PHONE)
    assert submit(rail, lost).status == "unknown"
    assert rail.query(lost, {}).status == "accepted"
    (notice,) = notices(rail, twin, clock)
    assert notice.answer.status == "paid"
    assert notice.amount == lost.amount
    assert submit(rail, lost).status == "unknown", "the rail refuses the id, which does not say how it ended"
    assert len(twin.payments) == 1


def test_a_request_lost_on_the_way_is_unknown_too(rail, twin) -> None:
    twin.faults.plan("lost_request")
    assert submit(rail, order()).status == "unknown"
    assert twin.payments == []


@pytest.mark.parametrize("fault", ["spike_arrest"])
def test_what_was_not_taken_may_be_submitted_again(rail, twin, fault) -> None:
    twin.faults.plan(fault)
    answer = submit(rail, order())
    assert (answer.status, answer.retry_after_s) == ("not_taken", 10.0)
    assert submit(rail, order()).status == "accepted"


def test_a_server_error_after_acting_is_unknown(rail, twin) -> None:
    twin.faults.plan("server_error")
    assert submit(rail, order()).status == "unknown"
    assert len(twin.payments) == 1


def test_a_lost_token_is_renewed_once_for_everybody(rail, twin, tokens) -> None:
    assert submit(rail, order("A")).status == "accepted"
    twin.faults.plan("token_lost")
    assert submit(rail, order("B")).status == "accepted"
    assert tokens.current().generation == 2
    assert len(twin.payments) == 2


def test_an_expired_token_is_renewed_and_a_wrong_secret_sends_nothing(rail, twin, tokens, clock) -> None:
    assert submit(rail, order("A")).status == "accepted"
    clock.turn(seconds=3_600)
    assert submit(rail, order("B")).status == "accepted"
    assert tokens.current().generation == 2
    clock.turn(seconds=3_600)
    twin.consumer_secret = "changed"
    answer = submit(rail, order("C"))
    assert answer.status == "not_taken"
    assert "no token" in answer.reason
    assert len(twin.payments) == 2


def test_while_one_process_renews_the_others_wait(rail, twin, tokens) -> None:
    assert tokens.may_renew(None)
    assert submit(rail, order()).status == "not_taken"
    assert twin.requests == 0
    tokens.give_back()
    assert submit(rail, order()).status == "accepted"


@pytest.mark.parametrize(
    ("prepare", "cause"),
    [
        (lambda twin: setattr(twin, "balance_shillings", 20_999), "funds"),
        (lambda twin: twin.closed_parties.add("600200"), "payee"),
        (lambda twin: setattr(twin, "locked", True), "credential"),
        (lambda twin: setattr(twin, "password", "other"), "credential"),
    ],
)
def test_definite_failures_say_their_cause(rail, twin, clock, prepare, cause) -> None:
    prepare(twin)
    assert submit(rail, order()).status == "accepted"
    (notice,) = notices(rail, twin, clock)
    assert (notice.answer.status, notice.answer.cause) == ("failed", cause)
    assert twin.payments == []


def test_a_timeout_callback_means_unknown_and_the_result_may_still_come(rail, twin, clock) -> None:
    twin.faults.plan("timeout_first")
    submit(rail, order())
    (first,) = notices(rail, twin, clock)
    assert first.answer.status == "unknown"
    (second,) = notices(rail, twin, clock, seconds=120)
    assert second.answer.status == "paid"


def test_a_forged_callback_has_a_wrong_secret_or_says_another_amount(rail, twin, clock) -> None:
    twin.faults.plan("forged_result")
    submit(rail, order())
    forged, true = notices(rail, twin, clock)
    assert forged.amount != true.amount == Money(2_100_000, "KES")


def test_cents_are_refused_before_anything_is_sent(rail, twin) -> None:
    with pytest.raises(ValueError, match="whole"):
        submit(rail, Order("A", Money(123_456, "KES"), TILL, "X", "Y"))
    assert twin.requests == 0


def test_orders_that_leave_at_once_wait_for_one_token(twin, tokens) -> None:
    served = serve({"mobile": twin}, twin.clock)
    try:
        settings = settings_for(twin, base_url=served.url("mobile"))
        with make_client(Outbound(name="t", egress=EgressPolicy(allow_loopback=True))) as http:
            rail = MpesaRail(DarajaClient(http, settings, tokens), settings, tenant=1)
            start = Barrier(4)

            def send(number: int) -> str:
                start.wait()
                return submit(rail, order(f"T{number}")).status

            with ThreadPoolExecutor(4) as threads:
                assert list(threads.map(send, range(4))) == ["accepted"] * 4
        assert tokens.current().generation == 1
    finally:
        served.close()


def test_over_real_http_a_hung_up_connection_is_unknown(twin, tokens) -> None:
    served = serve({"mobile": twin}, twin.clock)
    try:
        settings = settings_for(twin, base_url=served.url("mobile"))
        with make_client(Outbound(name="t", egress=EgressPolicy(allow_loopback=True))) as http:
            rail = MpesaRail(DarajaClient(http, settings, tokens), settings, tenant=1)
            assert submit(rail, order("A")).status == "accepted"
            twin.faults.plan("lost_answer")
            assert submit(rail, order("B")).status == "unknown"
        assert len(twin.payments) == 2
        assert twin.requests == 2
    finally:
        served.close()
    with make_client(Outbound(name="t", egress=EgressPolicy(allow_loopback=True))) as http:
        rail = MpesaRail(DarajaClient(http, settings, tokens), settings, tenant=1)
        assert submit(rail, order("C")).status == "not_taken", "nobody listens: certainly not received"


def test_a_guarded_client_refuses_plain_http_outside(twin, tokens) -> None:
    settings = settings_for(twin, base_url="http://198.51.100.7")
    with make_client(Outbound(name="t")) as http:
        rail = MpesaRail(DarajaClient(http, settings, tokens), settings, tenant=1)
        assert submit(rail, order()).status == "not_taken"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"Result": 1}', b'{"Result": {}}', b'{"Result": {"ResultDesc": "x"}}', b"\xff", b"[" * 5_000],
)
def test_a_callback_without_a_result_is_refused(rail, body: bytes) -> None:
    with pytest.raises(Incorrect):
        rail.read_notices(body, {"reference": "A", "kind": "result"})


@pytest.mark.parametrize(
    ("code", "status"),
    [("0", "paid"), (0, "paid"), (2001, "failed"), ("R000002", "unknown"), ("SFC_IC0003", "failed"), ("77", "unknown")],
)
def test_codes_in_every_form_and_unlisted_ones_are_unknown(rail, code, status) -> None:
    from kiungo.kernel import json

    body = json.dumps({"Result": {"ResultCode": code, "TransactionID": "QKA81LK5CY"}})
    (notice,) = rail.read_notices(body, {"reference": "A", "kind": "result"})
    assert (notice.answer.status, notice.amount) == (status, None)


def test_the_door_is_shut_to_other_networks_and_other_legs(twin) -> None:
    addresses = CallbackAddresses(settings_for(twin, callback_networks=("196.201.214.0/24",)))
    *_, secret = urlsplit(addresses.urls(1, "A")["result"]).path.split("/")
    addresses.check(1, "A", "result", secret, "196.201.214.9")
    for wrong in [
        (1, "A", "result", secret, "203.0.113.1"),
        (1, "A", "result", secret, "nonsense"),
        (1, "B", "result", secret, "196.201.214.9"),
        (2, "A", "result", secret, "196.201.214.9"),
        (1, "A", "timeout", secret, "196.201.214.9"),
        (1, "A", "result", "", "196.201.214.9"),
        (1, "A", "result", "é", "196.201.214.9"),
    ]:
        with pytest.raises(NotFound):
            addresses.check(*wrong)


def test_settings_refuse_addresses_with_the_vendors_forbidden_words(twin) -> None:
    for change in ({"callback_url": "https://mpesa.example.org"}, {"callback_key": "short"}, {"shortcode": "12"}):
        with pytest.raises(ValueError, match=r"callback|characters|pattern"):
            settings_for(twin, **change)
    with httpx.Client(transport=SteppedTransport(twin)) as http, pytest.raises(Incorrect):
        DarajaClient(http, settings_for(twin, certificate="nonsense"), None)
