"""Between our messages and RFC 5322, and between SMTP's answers and ours. Pure.

Made as a Message of the older kind: EmailMessage parses every header it is given, a millisecond for each message.
"""

import re
from dataclasses import dataclass
from email.charset import QP, Charset
from email.header import Header
from email.message import Message as MailMessage
from email.policy import compat32
from email.utils import format_datetime, formataddr

from kiungo.base.time import Clock
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.ports.messaging import Delivery, Message

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+\Z", re.ASCII)
_QUOTED = Charset("utf-8")
_QUOTED.body_encoding = QP
_WIRE = compat32.clone(linesep="\r\n")


@dataclass(frozen=True, slots=True)
class Email:
    """A message as it goes out. Shapes: `content` has its headers, and CRLF at the end of each line."""

    to: str
    message_id: str
    content: bytes


def is_address(text: str) -> bool:
    """Whether a text is an address we send to. Line breaks and lists never are."""
    return len(text) <= 254 and _ADDRESS.match(text) is not None


def email(message: Message, settings: SmtpSettings, clock: Clock) -> Email:
    """The message as it goes out; its Message-ID stays the same over retries, so receivers may drop a repeat."""
    made: MailMessage[Header | str, Header | str] = MailMessage()
    made["From"] = formataddr((_one_line(settings.sender_name), settings.sender))
    made["To"] = message.to
    made["Subject"] = _text(_one_line(message.subject))
    made["Date"] = format_datetime(clock.now())
    made["Message-ID"] = message_id = f"<{message.message_id}@{settings.sender.rpartition('@')[2]}>"
    made["Content-Language"] = _one_line(message.language)
    made["Auto-Submitted"] = "auto-generated"
    made.set_payload("\n".join([*message.body.splitlines(), ""]), _QUOTED)
    return Email(message.to, message_id, made.as_bytes(policy=_WIRE))


def read_code(code: int, text: str) -> Delivery:
    """What an SMTP reply to the recipient or the content means. Source: RFC 5321 section 4.2.1."""
    reason = f"{code} {text}"[:200]
    if 200 <= code < 300:
        return Delivery("sent")
    if 400 <= code < 500:
        return Delivery("later", reason=reason, retry_after_s=300)
    return Delivery("failed", reason=reason)


def _one_line(text: str) -> str:
    """No header holds a line break: what follows one would be a header of the text's own."""
    return " ".join(text.split())


def _text(text: str) -> Header | str:
    """A header's text, encoded where it is not plain. Source: RFC 2047."""
    return text if text.isascii() and text.isprintable() else Header(text, "utf-8", header_name="Subject")
