"""Between our messages and RFC 5322, and between SMTP's answers and ours. Pure."""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from kiungo.base.time import Clock
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.ports.messaging import Delivery, Message

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+\Z", re.ASCII)


def is_address(text: str) -> bool:
    """Whether a text is an address we send to. Line breaks and lists never are."""
    return len(text) <= 254 and _ADDRESS.match(text) is not None


def email(message: Message, settings: SmtpSettings, clock: Clock) -> EmailMessage:
    """The message as it goes out; its Message-ID stays the same over retries, so receivers may drop a repeat."""
    user, _, domain = settings.sender.rpartition("@")
    made = EmailMessage()
    made["From"] = Address(settings.sender_name, user, domain)
    made["To"] = message.to
    made["Subject"] = " ".join(message.subject.split())
    made["Date"] = format_datetime(clock.now())
    made["Message-ID"] = f"<{message.message_id}@{domain}>"
    made["Content-Language"] = message.language
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.body)
    return made


def read_code(code: int, text: str) -> Delivery:
    """What an SMTP reply to the recipient or the content means. Source: RFC 5321 section 4.2.1."""
    reason = f"{code} {text}"[:200]
    if 200 <= code < 300:
        return Delivery("sent")
    if 400 <= code < 500:
        return Delivery("later", reason=reason, retry_after_s=300)
    return Delivery("failed", reason=reason)
