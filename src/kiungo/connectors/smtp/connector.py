"""A relay as a messenger of e-mail."""

import smtplib

from kiungo.base.time import Clock
from kiungo.connectors.smtp import mapping
from kiungo.connectors.smtp.client import Refused, RelayClient
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.ports.messaging import Channel, Delivery, Message


class SmtpMessenger:
    """Sends one e-mail at a time."""

    channel: Channel = "email"

    def __init__(self, settings: SmtpSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._relay = RelayClient(settings)

    def close(self) -> None:
        """Let the kept conversations go."""
        self._relay.close()

    def send(self, message: Message) -> Delivery:
        """Send once."""
        if not mapping.is_address(message.to):
            return Delivery("failed", reason="this is not an e-mail address")
        try:
            return self._relay.hand_over(mapping.email(message, self._settings, self._clock))
        except Refused as refusal:
            return mapping.read_code(refusal.code, refusal.text)
        except smtplib.SMTPAuthenticationError:
            return Delivery("later", reason="the relay refuses our account", retry_after_s=900)
        except (OSError, smtplib.SMTPException) as error:
            return Delivery("later", reason=f"the relay is away ({type(error).__name__})", retry_after_s=60)
