"""E-mail against a mail server we did not write: conversations that are kept, TLS, logins, refusals and hang-ups."""

import email
import email.policy
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kiungo.base.time import TurnedClock
from kiungo.connectors.smtp import client, mapping
from kiungo.connectors.smtp.connector import SmtpMessenger
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.ports.messaging import Message

CLOCK = TurnedClock(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))


class Mailbox:
    """What the server does with messages; `answers` are given first, then everything is taken."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.sessions: set[int] = set()
        self.answers: list[str] = []

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("later"):
            return "451 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            answer = self.answers.pop(0)
            if answer == "hang up":
                server.transport.close()
            return answer
        self.taken.append(envelope)
        self.sessions.add(id(session))
        return "250 taken"


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[Controller]:
    running = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    running.start()
    yield running
    if not running.loop.is_closed():  # a test may have stopped it
        running.stop()


def messenger(server: Controller, **changes: Any) -> SmtpMessenger:
    values = {"host": "127.0.0.1", "port": server.port, "security": "none", "sender": "pay@example.org"}
    return SmtpMessenger(SmtpSettings.model_validate(values | changes), CLOCK)


def message(number: int = 1, to: str = "finance@example.org") -> Message:
    return Message(f"n{number}", "email", to, "Malipo ✓", "Habari.\n.\nUmelipwa KES 21,000.00\n", "sw")


def test_messages_go_one_after_the_other_in_one_conversation(server: Controller, mailbox: Mailbox) -> None:
    sender = messenger(server)
    assert [sender.send(message(number)).status for number in range(5)] == ["sent"] * 5
    assert len(mailbox.sessions) == 1
    assert len({envelope.content.split(b"Message-ID:")[1].split()[0] for envelope in mailbox.taken}) == 5
    assert b"Umelipwa KES 21,000.00" in mailbox.taken[0].content, "a dot on a line of its own ends nothing"


def test_a_conversation_the_relay_has_ended_is_begun_anew(server: Controller, mailbox: Mailbox) -> None:
    sender = messenger(server)
    assert sender.send(message(1)).status == "sent"
    port = server.port
    server.stop()
    again = Controller(mailbox, hostname="127.0.0.1", port=port)
    again.start()
    try:
        assert sender.send(message(2)).status == "sent"
    finally:
        again.stop()
    assert len(mailbox.taken) == 2


@pytest.mark.parametrize(
    ("to", "answers", "status"),
    [
        ("nobody@example.org", [], "failed"),
        ("later@example.org", [], "later"),
        ("a@example.org", ["554 spam"], "failed"),
        ("a@example.org", ["452 full"], "later"),
        ("a@example.org", ["hang up"], "unknown"),
    ],
)
def test_every_answer_has_its_meaning_and_the_next_message_goes_out(
    server: Controller, mailbox: Mailbox, to: str, answers: list[str], status: str
) -> None:
    sender = messenger(server)
    assert sender.send(message(1)).status == "sent"
    mailbox.answers = answers
    assert sender.send(message(2, to)).status == status
    assert sender.send(message(3)).status == "sent"
    assert len(mailbox.taken) == 2


def test_a_relay_that_is_away_is_asked_later(server: Controller) -> None:
    sender = messenger(server)
    server.stop()
    assert sender.send(message()).status == "later"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"),
        "-out", str(folder / "cert.pem"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder


def allow(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
    return AuthResult(success=(given.login, given.password) == (b"kiungo", b"right"))


@pytest.mark.parametrize(("password", "status"), [("right", "sent"), ("wrong", "later")])
def test_starttls_and_login(certificate: Path, mailbox: Mailbox, password: str, status: str, monkeypatch: Any) -> None:
    ours = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    monkeypatch.setattr(client, "trust", lambda: ours)  # the machine's authorities do not know this one
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    running = Controller(
        mailbox, hostname="127.0.0.1", port=free_port(), tls_context=theirs, require_starttls=True, authenticator=allow,
        auth_required=True,
    )  # fmt: skip
    running.start()
    try:
        sender = messenger(running, security="starttls", username="kiungo", password=password)
        assert sender.send(message()).status == status
    finally:
        running.stop()


def test_a_relay_with_an_unknown_certificate_is_told_nothing(certificate: Path, mailbox: Mailbox) -> None:
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    running = Controller(mailbox, hostname="127.0.0.1", port=free_port(), tls_context=theirs)
    running.start()
    try:
        assert messenger(running, security="starttls").send(message()).status == "later"
    finally:
        running.stop()
    assert mailbox.taken == []


LINE_LENGTH_MAX = 998
"""Source: RFC 5322 section 2.1.1."""


def _parsed(written: Message) -> EmailMessage:
    settings = SmtpSettings.model_validate(
        {"host": "h", "sender": "pay@example.org", "sender_name": "Kiungo, Malipo ✓"}
    )
    content = mapping.email(written, settings, CLOCK).content
    assert b"\n" not in content.replace(b"\r\n", b""), "relays may refuse a line that ends without CR"
    assert all(len(line) <= LINE_LENGTH_MAX for line in content.split(b"\r\n"))
    return cast(EmailMessage, email.message_from_bytes(content, policy=email.policy.default))


@pytest.mark.parametrize("subject", ["Payment of KES 21,000.00", "Malipo ✓ " * 20, "long " * 40, "a\r\nBcc: x@y.org"])
@pytest.mark.parametrize("body", ["Dear Vendor,\n\nwe paid you.\n", "Mpendwa ✓\n.\n" + "neno=" * 300, "x" * 2_000, ""])
def test_what_is_written_is_what_a_mail_program_reads(subject: str, body: str) -> None:
    read = _parsed(Message("n1", "email", "finance@example.org", subject, body, "sw"))
    assert " ".join(str(read["Subject"]).split()) == " ".join(subject.split())
    assert read["From"].addresses[0].display_name == "Kiungo, Malipo ✓"
    assert read["From"].addresses[0].addr_spec == "pay@example.org"
    assert (read["To"], read["Message-ID"], read["Bcc"]) == ("finance@example.org", "<n1@example.org>", None)
    assert read["Date"].datetime == CLOCK.now()
    assert read.get_content().replace("\r\n", "\n").rstrip("\n") == body.rstrip("\n")
