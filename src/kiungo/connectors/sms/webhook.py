"""The door for delivery reports: the address holds a secret, the report is stored, then applied or left to a job."""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from kiungo.base.errors import NotFound, define
from kiungo.connectors.sms import mapping
from kiungo.connectors.sms.settings import SmsSettings
from kiungo.kernel import inbox, jobs, json
from kiungo.kernel.database import Unit
from kiungo.ports.messaging import DeliveryReport

SMS_REPORT_REFUSED = define("SMS_REPORT_REFUSED", NotFound, "A delivery report came to an address that is not ours.")

Apply = Callable[[Unit, int, str, DeliveryReport], bool]

PATH = "/callbacks/sms/{tenant}/{secret}"


def check(settings: SmsSettings, secret: str) -> None:
    """Refuse a report that does not know our address. Raises: NotFound."""
    if not hmac.compare_digest(settings.report_key.get_secret_value().encode(), secret.encode()):
        raise NotFound(SMS_REPORT_REFUSED, "There is nothing at this address")


def receive(unit: Unit, *, tenant: int, fields: Mapping[str, str], apply: Apply) -> bool:
    """Keep a report and apply it; False when it came before. One that was faster than our own answer is left to a job.

    Shapes: `apply` writes a report, and says whether any message has its id. Raises: Incorrect SMS_REPORT_UNREADABLE.
    """
    report = mapping.read_report(fields)
    body = json.dumps(dict(sorted(fields.items())))
    message_id = hashlib.sha256(body).hexdigest()
    if not inbox.receive(unit, tenant=tenant, source="sms", message_id=message_id, body=body):
        return False
    if apply(unit, tenant, "sms", report):
        return True
    args = {"channel": "sms", "provider_id": report.provider_id, "status": report.status, "reason": report.reason}
    jobs.enqueue(unit, "notification.report", args, tenant=tenant, key=message_id, lane="notify-report")
    return True
