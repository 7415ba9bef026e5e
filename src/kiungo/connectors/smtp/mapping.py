"""Between our messages and RFC 5322, and between SMTP's answers and ours. Pure.

A message is written line by line: the library's EmailMessage parses every header it is given, which took more time
than all else that was done to send one.
"""

import re
from binascii import b2a_qp
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime, formataddr

from kiungo.base.time import Clock
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.ports.messaging import Delivery, Message

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+\Z", re.ASCII)

LINE_LENGTH_MAX = 998
"""Source: RFC 5322 section 2.1.1, and for words that are encoded section 2 of RFC 2047."""
SUBJECT_LENGTH_MAX = 68
LINE_LENGTH_ENCODED_MAX = 76


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
    message_id = f"<{message.message_id}@{settings.sender.rpartition('@')[2]}>"
    body = "\r\n".join([*message.body.splitlines(), ""])
    plain = body.isascii() and all(len(line) <= LINE_LENGTH_MAX for line in body.splitlines())
    headers = {
        "From": formataddr((_one_line(settings.sender_name), settings.sender)),
        "To": message.to,
        "Subject": _text(_one_line(message.subject)),
        "Date": format_datetime(clock.now()),
        "Message-ID": message_id,
        "Content-Language": _one_line(message.language),
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit" if plain else "quoted-printable",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    content = body.encode()
    return Email(message.to, message_id, head.encode("ascii") + b"\r\n" + (content if plain else b2a_qp(content)))


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


def _text(text: str) -> str:
    """A header's text, encoded where it is not plain or too long for one line. Source: RFC 2047."""
    if text.isascii() and text.isprintable() and len(text) <= SUBJECT_LENGTH_MAX:
        return text
    return Header(text, "utf-8", maxlinelen=LINE_LENGTH_ENCODED_MAX, header_name="Subject").encode(linesep="\r\n")
