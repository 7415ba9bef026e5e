"""Between our messages and the aggregator's words. Pure.

Source: Africa's Talking, bulk SMS `POST /version1/messaging` and delivery reports; status codes 100-102 mean taken.
"""

import re
from collections.abc import Mapping
from typing import Any

from kiungo.base.errors import Incorrect, define
from kiungo.connectors.sms.settings import SmsSettings
from kiungo.ports.messaging import Delivery, DeliveryReport, DeliveryStatus, Message

SMS_REPORT_UNREADABLE = define("SMS_REPORT_UNREADABLE", Incorrect, "A delivery report names no message or status.")

PATH = "/version1/messaging"
TAKEN = frozenset({100, 101, 102})
# The number, its sender or the content is refused: sending the same again changes nothing.
REFUSED = frozenset({401, 402, 403, 404, 406, 407, 409})
LATER = frozenset({405, 500, 501, 502})
REPORTS: dict[str, DeliveryStatus] = {
    "sent": "sent",
    "submitted": "sent",
    "buffered": "sent",
    "success": "delivered",
    "rejected": "failed",
    "failed": "failed",
    "absentsubscriber": "failed",
    "expired": "failed",
}
_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}\Z", re.ASCII)


def form(message: Message, settings: SmsSettings) -> dict[str, str]:
    """The form of one message."""
    fields = {"username": settings.username, "to": message.to, "message": message.body}
    return fields | {"from": settings.sender_id} if settings.sender_id else fields


def is_number(text: str) -> bool:
    """Whether a number is in international form."""
    return _NUMBER.match(text) is not None


def read_answer(status: int, body: Mapping[str, Any]) -> Delivery:
    """What the aggregator's answer means for the one recipient."""
    data = body.get("SMSMessageData")
    recipients = data.get("Recipients") if isinstance(data, dict) else None
    if status == 401:
        return Delivery("later", reason="the aggregator refuses the API key", retry_after_s=900)
    if status == 429 or status >= 500:
        # Before the message was taken; the aggregator answers 201 once it has it.
        return Delivery("later", reason=f"status {status}", retry_after_s=60)
    if status not in (200, 201) or not isinstance(recipients, list):
        return Delivery("unknown", reason=f"status {status} without a recipient list")
    return _of_recipient(recipients, str(data.get("Message", "")) if isinstance(data, dict) else "")


def read_report(fields: Mapping[str, str]) -> DeliveryReport:
    """A delivery report. An unknown status is "sent": neither success nor failure. Raises: Incorrect."""
    provider_id, status = fields.get("id", ""), fields.get("status", "")
    if not provider_id or not status:
        raise Incorrect(SMS_REPORT_UNREADABLE, "The report has no id or status", field="id", hint="Nothing was kept")
    reason = fields.get("failureReason", "")
    return DeliveryReport(provider_id, REPORTS.get(status.lower(), "sent"), reason)


def _of_recipient(recipients: list[Any], said: str) -> Delivery:
    one = recipients[0] if recipients else None
    if not isinstance(one, dict) or type(one.get("statusCode")) is not int:
        return Delivery("failed", reason=f"no recipient was taken: {said}"[:200])
    code, message_id = one["statusCode"], str(one.get("messageId", ""))
    if code in TAKEN:
        return Delivery("sent", provider_id=message_id)
    reason = f"{code} {one.get('status', '')}".strip()
    if code in REFUSED:
        return Delivery("failed", reason=reason)
    return Delivery("later" if code in LATER else "unknown", reason=reason, retry_after_s=60)
