"""What we need of a way to reach people: send one message, learn whether it arrived."""

from dataclasses import dataclass
from typing import Literal, Protocol

Channel = Literal["sms", "email"]
DeliveryStatus = Literal["sent", "delivered", "failed", "later", "unknown"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person. Shapes: `to` is +254712345678 or an e-mail address; `subject` only for e-mail.

    `message_id` is ours and stays the same over retries, so that a receiver may recognise a repeat.
    """

    message_id: str
    channel: Channel
    to: str
    subject: str
    body: str
    language: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message stands. `later` means not taken, try again; `unknown` means it may have been sent.

    Units: `retry_after_s` seconds. Shapes: `provider_id` names the message in later reports.
    """

    status: DeliveryStatus
    provider_id: str = ""
    reason: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What the provider tells later about a message it took."""

    provider_id: str
    status: DeliveryStatus
    reason: str = ""


class Messenger(Protocol):
    """A way to send messages of one channel. Calls block, retry nothing, and never raise for the outside."""

    @property
    def channel(self) -> Channel:
        """The channel this messenger serves."""
        ...

    def send(self, message: Message) -> Delivery:
        """Send once."""
        ...
