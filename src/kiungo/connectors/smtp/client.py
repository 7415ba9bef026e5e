"""Conversations with a relay: connect, protect, log in, hand over messages one by one, and stay a while for the next.

A relay may end an idle conversation at any time. That shows at the next message's sender, before anything of it was
given away, so one new conversation is begun; never after the content was sent.
"""

import smtplib
import socket
import ssl
import threading
import time
from functools import cache

from kiungo.connectors.smtp.mapping import Email
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.ports.messaging import Delivery

IDLE_S_MAX = 20.0
KEPT_MAX = 4
MESSAGES_MAX = 100
"""After so many messages a conversation is ended: relays count them too."""


class Refused(Exception):
    """The relay said no, with this code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class _Conversation:
    """A greeted relay. Units: `idle_since_s` of the monotonic clock."""

    def __init__(self, relay: smtplib.SMTP) -> None:
        self.relay = relay
        self.messages = 0
        self.idle_since_s = 0.0


class RelayClient:
    """One relay, for any thread: each message has a conversation to itself."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._idle: list[_Conversation] = []
        self._lock = threading.Lock()

    def hand_over(self, message: Email) -> Delivery:
        """Give the message to the relay. Raises: Refused; OSError and smtplib's errors before the content was sent.

        Once the content was sent, a lost connection is unknown: the relay may have it.
        """
        conversation = self._begun(message.to)
        try:
            delivery = _content(conversation.relay, message)
        except BaseException:
            conversation.relay.close()
            raise
        if delivery.status == "sent":
            self._keep(conversation)
        else:
            conversation.relay.close()
        return delivery

    def close(self) -> None:
        """End every idle conversation."""
        with self._lock:
            idle, self._idle = self._idle, []
        for conversation in idle:
            conversation.relay.close()

    def _begun(self, recipient: str) -> _Conversation:
        """A conversation in which the relay has taken sender and recipient."""
        waiting = self._take()
        if waiting is not None:
            try:
                self._name(waiting.relay, recipient)
                return waiting
            except Refused as refusal:
                waiting.relay.close()
                if refusal.code != 421:  # 421: the relay ends the conversation, and says nothing of the message
                    raise
            except (OSError, smtplib.SMTPException):
                waiting.relay.close()
        fresh = _Conversation(_greeted(self._settings))
        try:
            self._name(fresh.relay, recipient)
        except BaseException:
            fresh.relay.close()
            raise
        return fresh

    def _name(self, relay: smtplib.SMTP, recipient: str) -> None:
        _must(*relay.mail(self._settings.sender))
        _must(*relay.rcpt(recipient))

    def _take(self) -> _Conversation | None:
        with self._lock:
            while self._idle:
                conversation = self._idle.pop()
                if time.monotonic() - conversation.idle_since_s < IDLE_S_MAX:
                    return conversation
                conversation.relay.close()
        return None

    def _keep(self, conversation: _Conversation) -> None:
        conversation.messages += 1
        conversation.idle_since_s = time.monotonic()
        with self._lock:
            if len(self._idle) < KEPT_MAX and conversation.messages < MESSAGES_MAX:
                self._idle.append(conversation)
                return
        conversation.relay.close()


@cache
def trust() -> ssl.SSLContext:
    """What relays' certificates are checked with; reading the machine's authorities takes 20 ms, so it is done once."""
    return ssl.create_default_context()


def _greeted(settings: SmtpSettings) -> smtplib.SMTP:
    # Our own name is given: smtplib would ask the name service for it each time.
    name = socket.gethostname()
    if settings.security == "tls":
        relay: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.host, settings.port, name, timeout=settings.timeout_s, context=trust()
        )
    else:
        relay = smtplib.SMTP(settings.host, settings.port, name, timeout=settings.timeout_s)
    try:
        relay.ehlo()
        if settings.security == "starttls":
            relay.starttls(context=trust())
            relay.ehlo()
        if settings.username:
            relay.login(settings.username, settings.password.get_secret_value())
    except BaseException:
        relay.close()
        raise
    return relay


def _content(relay: smtplib.SMTP, message: Email) -> Delivery:
    try:
        code, text = relay.data(message.content)
    except smtplib.SMTPDataError as error:
        raise Refused(error.smtp_code, _text(error.smtp_error)) from None
    except (OSError, smtplib.SMTPServerDisconnected) as error:
        return Delivery("unknown", reason=f"the relay hung up over the content ({type(error).__name__})")
    _must(code, text)
    return Delivery("sent", provider_id=message.message_id)


def _must(code: int, text: bytes | str) -> None:
    if not 200 <= code < 300:
        raise Refused(code, _text(text))


def _text(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
