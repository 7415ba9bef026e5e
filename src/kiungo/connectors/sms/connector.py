"""The aggregator as a messenger of SMS."""

import httpx

from kiungo.connectors.sms import mapping
from kiungo.connectors.sms.client import post_form
from kiungo.connectors.sms.settings import SmsSettings
from kiungo.ports.messaging import Channel, Delivery, Message


class SmsMessenger:
    """Sends one SMS at a time. A lost answer is unknown; a second text is better than none, so it may be sent again."""

    channel: Channel = "sms"

    def __init__(self, http: httpx.Client, settings: SmsSettings) -> None:
        self._http = http
        self._settings = settings

    def send(self, message: Message) -> Delivery:
        """Send once."""
        if not mapping.is_number(message.to):
            return Delivery("failed", reason="the number is not in international form, such as +254712345678")
        url = self._settings.base_url + mapping.PATH
        fields = mapping.form(message, self._settings)
        reply = post_form(self._http, url, fields, self._settings.api_key.get_secret_value())
        if reply.kind == "not_sent":
            return Delivery("later", reason=reply.why, retry_after_s=60)
        if reply.kind == "no_answer":
            return Delivery("unknown", reason=f"no answer came ({reply.why})")
        return mapping.read_answer(reply.status, reply.body)
