"""Payees are told once on each channel, in their language, unless they opted out; failures are kept and retried."""

from collections.abc import Iterator
from random import Random
from urllib.parse import parse_qsl

import httpx
import pytest

from kiungo.base.time import TurnedClock
from kiungo.connectors.sms import webhook
from kiungo.connectors.sms.connector import SmsMessenger
from kiungo.connectors.sms.settings import SmsSettings
from kiungo.connectors.sms.twin import SmsTwin
from kiungo.connectors.smtp.connector import SmtpMessenger
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.connectors.smtp.twin import SmtpTwin
from kiungo.domains.vems.notifications import listing
from kiungo.domains.vems.notifications import service as notifications
from kiungo.domains.vems.notifications.jobs import NotificationJobs
from kiungo.domains.vems.notifications.service import Notification
from kiungo.domains.vems.notifications.templates import LANGUAGES, NAMES, TEMPLATES, render
from kiungo.kernel.database import Database
from kiungo.kernel.sandbox import Faults, SteppedTransport
from tests.domains.vems.settlement.world import FACILITY, TENANT, VENDOR, World, booking

PHONE, EMAIL = "+254712345678", "pay@example.org"


@pytest.fixture
def sms(clock: TurnedClock) -> SmsTwin:
    return SmsTwin(clock, Faults(Random(1)), report_url="http://us.test/callbacks/sms/1/" + "r" * 16)


@pytest.fixture
def smtp() -> Iterator[SmtpTwin]:
    twin = SmtpTwin(Faults(Random(1)))
    twin.start()
    yield twin
    twin.close()


@pytest.fixture
def telling(stepped_database: Database, clock: TurnedClock, sms: SmsTwin, smtp: SmtpTwin) -> Iterator[World]:
    world = World(stepped_database, clock, Random(1), notifies=True).with_payees()
    http = httpx.Client(transport=SteppedTransport(sms))
    sms_settings = SmsSettings(
        base_url="http://sms.test", username=sms.username, api_key=sms.api_key, report_key="r" * 16
    )
    smtp_settings = SmtpSettings(host="127.0.0.1", port=smtp.port, security="none", sender="vems@example.org")
    messengers = {"sms": SmsMessenger(http, sms_settings), "email": SmtpMessenger(smtp_settings, clock)}
    world.handlers |= NotificationJobs(stepped_database, messengers).handlers()
    world.fund("100000.00")
    yield world
    http.close()


def pay(world: World, number: str = "VB0011223344AA") -> None:
    world.decide(booking(number), "31000.00")
    world.settle()


def told(world: World, number: str = "VB0011223344AA") -> dict[tuple[str, str], str]:
    found = world.database.read(lambda unit: notifications.about(unit, TENANT, number))
    return {(n.recipient, n.channel): n.state for n in found}


def reports(world: World, sms: SmsTwin) -> None:
    world.clock.turn(seconds=3)
    for callback in sms.take_due(world.clock.now_us()):
        fields = dict(parse_qsl(callback.body.decode()))
        world.database.write(lambda unit, f=fields: take(unit, f))
    world.step(10)


def take(unit, fields) -> bool:
    return webhook.receive(unit, tenant=TENANT, fields=fields, apply=notifications.apply_report)


def test_a_report_that_is_faster_than_our_own_answer_is_applied_later(telling: World, sms: SmsTwin) -> None:
    early = {"id": "ATXid_00000001", "status": "Success"}
    assert telling.database.write(lambda unit: take(unit, early))
    assert not telling.database.write(lambda unit: take(unit, early))
    telling.step()
    pay(telling)
    telling.step(10)
    assert sorted(state for (_, channel), state in told(telling).items() if channel == "sms") == ["delivered", "sent"]


def test_payees_are_told_on_every_channel_in_their_language(telling: World, sms: SmsTwin, smtp: SmtpTwin) -> None:
    pay(telling)
    assert set(told(telling).values()) == {"sent"}
    assert len(told(telling)) == 6
    texts = sorted(text for _, text in sms.messages)
    assert texts[0].startswith("Umelipwa KES 21000.00 kwa huduma VB0011223344AA. Risiti ")
    to, mail = smtp.messages[0]
    assert to == EMAIL
    assert "Malipo ya KES" in str(mail["Subject"])
    assert "Upendo Imaging" in mail.get_payload() or "Mnazi Moja" in mail.get_payload()

    def unread() -> list[Notification]:
        return telling.database.read(
            lambda unit: listing.page(unit, TENANT, recipient=VENDOR, channel="in_app", unread_only=True, limit=10)
        )

    inbox = unread()
    assert [n.channel for n in inbox] == ["in_app"]
    write = telling.database.write
    assert write(lambda unit: notifications.mark_read(unit, TENANT, VENDOR, inbox[0].notification_id))
    assert not write(lambda unit: notifications.mark_read(unit, TENANT, FACILITY, inbox[0].notification_id))
    assert not unread()


def test_delivery_reports_close_a_message_and_a_late_one_changes_nothing(telling: World, sms: SmsTwin) -> None:
    sms.faults.plan("undelivered")
    pay(telling)
    reports(telling, sms)
    states = sorted(state for (_, channel), state in told(telling).items() if channel == "sms")
    assert states == ["delivered", "failed"]
    late = {"id": "ATXid_00000001", "status": "Success"}
    telling.database.write(lambda unit: take(unit, late))
    telling.step(10)
    assert sorted(s for (_, c), s in told(telling).items() if c == "sms") == states


def test_an_address_is_opted_out_however_it_is_capitalised(telling: World) -> None:
    def said(how: str, address: str) -> bool:
        telling.database.write(lambda unit: getattr(notifications, how)(unit, TENANT, "email", address))
        return telling.database.read(
            lambda unit: notifications.is_opted_out(unit, TENANT, "email", "Accounts@Imaging.example")
        )

    assert said("opt_out", "ACCOUNTS@imaging.example")
    assert not said("opt_in", "accounts@Imaging.example")


def test_who_opted_out_is_not_written_to(telling: World, sms: SmsTwin) -> None:
    telling.database.write(lambda unit: notifications.opt_out(unit, TENANT, "sms", PHONE))
    pay(telling)
    assert sms.messages == []
    assert told(telling)[VENDOR, "sms"] == "opted_out"
    assert told(telling)[VENDOR, "email"] == "sent"
    telling.database.write(lambda unit: notifications.opt_in(unit, TENANT, "sms", PHONE))
    pay(telling, "VB2")
    assert len(sms.messages) == 2


def test_a_busy_provider_is_tried_again_and_a_lost_answer_once_more(telling: World, sms: SmsTwin, smtp) -> None:
    sms.faults.plan("busy", times=3)
    sms.faults.plan("lost_answer", times=1, after=1)
    smtp.faults.plan("busy")
    pay(telling)
    assert "queued" in told(telling).values()
    for _ in range(12):
        telling.step(120)
    assert set(told(telling).values()) <= {"sent", "delivered"}
    assert len(sms.messages) == 3, "two messages, one of them twice"
    assert len(smtp.messages) == 2


def test_what_is_refused_fails_with_its_reason(telling: World, sms: SmsTwin, smtp: SmtpTwin) -> None:
    sms.blacklisted.add(PHONE)
    smtp.faults.plan("unknown_user", times=2)
    pay(telling)
    found = telling.database.read(lambda unit: notifications.about(unit, TENANT, "VB0011223344AA"))
    reasons = {(n.channel, n.state): n.reason for n in found}
    assert reasons["sms", "failed"] == "406 UserInBlacklist"
    assert reasons["email", "failed"].startswith("550")


def test_a_relay_that_hangs_up_over_the_content_is_unknown_then_sent_once_more(telling: World, smtp: SmtpTwin) -> None:
    smtp.faults.plan("lost")
    pay(telling)
    for _ in range(5):
        telling.step(301)
    ids = [str(mail["Message-ID"]) for _, mail in smtp.messages]
    assert len(ids) == 3
    assert len(set(ids)) == 2, "the repeat has the same Message-ID"


def test_messengers_that_are_away_for_an_hour_lose_nothing(telling: World, sms: SmsTwin, smtp: SmtpTwin) -> None:
    port = smtp.port
    smtp.close()
    sms.faults.rates["busy"] = 1.0
    pay(telling)
    for _ in range(60):
        telling.step(60)
    assert set(told(telling).values()) == {"sent", "queued"}, "the messages in the application are there"
    assert sms.messages == []
    sms.faults.calm()
    again = SmtpTwin(Faults(Random(1)), port=port)
    again.start()
    for _ in range(16):
        telling.step(60)
    again.close()
    assert len(again.messages) == len(sms.messages) == 2
    assert set(told(telling).values()) == {"sent"}


def test_a_messenger_that_stays_away_is_given_up_after_a_day(telling: World, sms: SmsTwin) -> None:
    sms.faults.rates["busy"] = 1.0
    pay(telling)
    for _ in range(26 * 4):
        telling.step(900)
    failed = [state for (_, channel), state in told(telling).items() if channel == "sms"]
    assert failed == ["failed", "failed"]


def test_addresses_that_carry_more_than_an_address_are_refused(telling: World, sms: SmsTwin) -> None:
    def spoil(unit) -> None:
        unit.execute("UPDATE settlement_payee SET email = ?, phone = ?", ("a@b.org\nBcc: all@b.org", "0712 345"))

    telling.database.write(spoil)
    pay(telling)
    assert told(telling)[VENDOR, "email"] == "failed"
    assert told(telling)[VENDOR, "sms"] == "failed"
    assert sms.messages == []


def test_every_template_exists_in_every_language_and_an_unknown_one_becomes_english() -> None:
    assert set(TEMPLATES) == {(name, language) for name in NAMES for language in LANGUAGES}
    assert LANGUAGES == ("en", "sw")
    values = dict.fromkeys(("name", "amount", "booking", "reference", "receipt", "reason"), "{x}")
    for name in NAMES:
        assert render(name, "fr", values) == render(name, "en", values)
        assert "{x}" in render(name, "sw", values).short, "a value with braces stays a value"
