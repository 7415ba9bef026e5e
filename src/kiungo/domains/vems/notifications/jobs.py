"""The jobs of notifications: send one message, apply one delivery report.

A messenger that is away is asked again, ever more rarely, for a day; after an unknown outcome a message is sent once
more, since a second text does less harm than none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kiungo.base.time import SECOND_US
from kiungo.domains.vems.notifications import service as store
from kiungo.domains.vems.notifications.service import Notification, apply_report, message_of
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.jobs import Effect, Handler, Job, Retry
from kiungo.ports.messaging import Channel, Delivery, DeliveryReport, Messenger

PATIENCE_S = 24 * 3_600
RETRY_S = 60.0
RETRY_S_MAX = 900.0
UNKNOWN_RETRY_S = 300.0
REPORT_EARLY_S = 5.0


@dataclass(frozen=True, slots=True)
class NotificationJobs:
    """Handlers that send outside the database. `messengers` are by channel."""

    database: Database
    messengers: Mapping[Channel, Messenger]

    def handlers(self) -> dict[str, Handler]:
        """The handlers by kind of job, for the worker."""
        return {"notification.send": self.send, "notification.report": self.report}

    def send(self, job: Job) -> Effect | None:
        """Send one message. Raises: Retry when it may be sent later, keeping why.

        Nothing is written before: who finds a job's second attempt knows that the first may have sent it.
        """
        notification_id = job.args["id"]
        taken, opted_out = self.database.read(lambda unit: store.find_to_send(unit, job.tenant, notification_id))
        if taken is None or taken.state not in ("queued", "sending", "unknown"):
            return None
        if opted_out:
            return lambda unit: store.set_state(unit, job.tenant, notification_id, "opted_out", changes={})
        channel: Channel = "sms" if taken.channel == "sms" else "email"
        messenger = self.messengers.get(channel)
        if messenger is None:
            return _kept(job.tenant, taken, Delivery("failed", reason=f"no messenger for {channel}"))
        delivery = messenger.send(message_of(taken, channel))
        keep = _kept(job.tenant, taken, delivery)
        if delivery.status == "later" and self.database.clock.now_us() < job.created_us + PATIENCE_S * SECOND_US:
            wait_s = min((delivery.retry_after_s or RETRY_S) * 2 ** min(taken.attempt, 10), RETRY_S_MAX)
            raise Retry(delivery.reason, after_s=wait_s, effect=keep)
        if delivery.status == "unknown" and taken.state != "unknown":
            raise Retry(delivery.reason, after_s=UNKNOWN_RETRY_S, effect=keep)
        if delivery.status == "later":
            return _kept(job.tenant, taken, Delivery("failed", reason=f"gave up: {delivery.reason}"))
        return keep

    def report(self, job: Job) -> Effect | None:
        """Apply a delivery report; one that is faster than our own answer comes again a moment later. Raises: Retry."""
        said = DeliveryReport(job.args["provider_id"], job.args["status"], job.args["reason"])

        def apply(unit: Unit) -> None:
            if not apply_report(unit, job.tenant, job.args["channel"], said):
                raise Retry("no message has this id yet", after_s=REPORT_EARLY_S)

        return apply


def _kept(tenant: int, taken: Notification, delivery: Delivery) -> Effect:
    state: store.State = "queued" if delivery.status == "later" else delivery.status

    def keep(unit: Unit) -> None:
        changes = {"reason": delivery.reason, "provider_id": delivery.provider_id, "attempt": taken.attempt + 1}
        store.set_state(unit, tenant, taken.notification_id, state, changes=changes)

    return keep
