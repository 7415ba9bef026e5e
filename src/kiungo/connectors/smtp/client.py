"""One conversation with a relay: connect, protect, log in, hand over one message."""

import smtplib
import ssl
from email.message import EmailMessage

from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.ports.messaging import Delivery


class Refused(Exception):
    """The relay said no, with this code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def hand_over(message: EmailMessage, settings: SmtpSettings) -> Delivery:
    """Give the message to the relay. Raises: Refused; OSError and smtplib's errors before the content was sent.

    Once the content was sent, a lost connection is unknown: the relay may have it.
    """
    context = ssl.create_default_context()
    kind = smtplib.SMTP_SSL if settings.security == "tls" else smtplib.SMTP
    relay = kind(settings.host, settings.port, timeout=settings.timeout_s)
    try:
        relay.ehlo()
        if settings.security == "starttls":
            relay.starttls(context=context)
            relay.ehlo()
        if settings.username:
            relay.login(settings.username, settings.password.get_secret_value())
        _must(*relay.mail(settings.sender))
        _must(*relay.rcpt(str(message["To"])))
        try:
            code, text = relay.data(message.as_bytes())
        except smtplib.SMTPDataError as error:
            raise Refused(error.smtp_code, _text(error.smtp_error)) from None
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            return Delivery("unknown", reason=f"the relay hung up over the content ({type(error).__name__})")
        _must(code, text)
        return Delivery("sent", provider_id=str(message["Message-ID"]))
    finally:
        relay.close()


def _must(code: int, text: bytes | str) -> None:
    if not 200 <= code < 300:
        raise Refused(code, _text(text))


def _text(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
