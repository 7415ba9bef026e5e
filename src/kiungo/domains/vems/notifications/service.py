"""Notices to payees by SMS, e-mail and in the application: once for each event and channel, none after an opt-out.

queued -> sent -> delivered       later: queued again       refused: failed
       -> unknown -> sent         a message is sent again once; money never is
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kiungo.base.ids import uuid7
from kiungo.base.money import Money
from kiungo.base.time import Clock
from kiungo.domains.vems.notifications.templates import render
from kiungo.domains.vems.settlement.model import Payee
from kiungo.domains.vems.settlement.payees import find_payee
from kiungo.kernel import jobs
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Event
from kiungo.ports.messaging import Channel, DeliveryReport, Message

TEMPLATE_OF: Final[Mapping[str, str]] = {
    "settlement.leg_paid": "paid",
    "settlement.leg_failed": "failed",
    "settlement.leg_returned": "returned",
}
SEND_ATTEMPTS_MAX = 200
"""More than fit into the day for which a messenger that is away is asked again."""
State = Literal["queued", "sending", "sent", "delivered", "failed", "unknown", "opted_out"]


@dataclass(frozen=True, slots=True)
class Notification:
    """One message as it stands. Units: microseconds UTC."""

    notification_id: str
    about: str
    recipient: str
    channel: str
    address: str
    template: str
    language: str
    subject: str
    body: str
    state: State
    reason: str
    attempt: int
    read_us: int | None
    created_us: int


COLUMNS = (
    "notification_id, about, recipient, channel, address, template, language, subject, body, state, reason, attempt,"
    " read_us, created_us"
)


@dataclass(frozen=True, slots=True)
class Notifications:
    """Writes notifications in the unit of their event; jobs send them."""

    clock: Clock

    def on_event(self, unit: Unit, event: Event) -> None:
        """A subscriber of settlement events: tell the payee."""
        template = TEMPLATE_OF.get(event.topic)
        payee = find_payee(unit, event.tenant, str(event.payload.get("payee", "")))
        if template is None or payee is None:
            return
        said = event.payload
        values = {
            "name": payee.name,
            "amount": str(Money(int(said["amountMinor"]), str(said["currency"]))),
            "booking": str(said["bookingNo"]),
            "reference": str(said["reference"]),
            "receipt": str(said.get("receipt") or said["reference"]),
            "reason": str(said.get("reason", "")),
        }
        self.notify(unit, event.tenant, payee, template, values, key=f"{event.seq}", about=values["booking"])

    def notify(
        self, unit: Unit, tenant: int, payee: Payee, template: str, values: Mapping[str, str], *, key: str, about: str
    ) -> None:
        """Queue a message on each channel the payee has; a key counts once for each channel."""
        text = render(template, payee.language, values)
        for channel, address, body in (
            ("in_app", payee.payee_id, text.short),
            ("sms", payee.phone, text.short),
            ("email", payee.email, text.body),
        ):
            if not address:
                continue
            state = "sent" if channel == "in_app" else "queued"
            if channel != "in_app" and is_opted_out(unit, tenant, channel, address):
                state = "opted_out"
            notification_id = uuid7(self.clock)
            added = unit.execute(
                "INSERT INTO notification (tn, notification_id, key, about, recipient, channel, address, template,"
                " language, subject, body, state, reason, attempt, provider_id, created_us, updated_us)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, '', ?, ?) ON CONFLICT DO NOTHING",
                (
                    tenant, notification_id, key, about, payee.payee_id, channel, address, template, payee.language,
                    text.subject, body, state, unit.now_us, unit.now_us,
                ),
            )  # fmt: skip
            if added and state == "queued":
                jobs.enqueue(
                    unit, "notification.send", {"id": notification_id}, tenant=tenant, key=notification_id,
                    lane=f"notify-{channel}", attempts_max=SEND_ATTEMPTS_MAX,
                )  # fmt: skip


def find(unit: Unit, tenant: int, notification_id: str) -> Notification | None:
    """One notification, or None."""
    row = unit.row(
        f"SELECT {COLUMNS} FROM notification WHERE tn = ? AND notification_id = ?", (tenant, notification_id)
    )
    return None if row is None else Notification(*row)


def find_to_send(unit: Unit, tenant: int, notification_id: str) -> tuple[Notification | None, bool]:
    """One notification, and whether its address asked not to be written to."""
    row = unit.row(
        f"SELECT {COLUMNS}, EXISTS (SELECT 1 FROM notification_opt_out AS o WHERE o.tn = n.tn AND o.channel = n.channel"
        " AND o.address IN (n.address, lower(n.address)))"
        " FROM notification AS n WHERE n.tn = ? AND n.notification_id = ?",
        (tenant, notification_id),
    )
    return (None, False) if row is None else (Notification(*row[:-1]), bool(row[-1]))


def about(unit: Unit, tenant: int, booking_no: str) -> list[Notification]:
    """Every message about a booking, oldest first."""
    rows = unit.rows(
        f"SELECT {COLUMNS} FROM notification WHERE tn = ? AND about = ? ORDER BY created_us, notification_id",
        (tenant, booking_no),
    )
    return [Notification(*row) for row in rows]


def mark_read(unit: Unit, tenant: int, recipient: str, notification_id: str) -> bool:
    """Mark one of a recipient's in-app messages as read; False when it has no such message."""
    return (
        unit.execute(
            "UPDATE notification SET read_us = coalesce(read_us, ?) WHERE tn = ? AND recipient = ?"
            " AND notification_id = ? AND channel = 'in_app'",
            (unit.now_us, tenant, recipient, notification_id),
        )
        == 1
    )


def opt_out(unit: Unit, tenant: int, channel: Channel, address: str) -> None:
    """Send nothing more to an address, what waits included."""
    unit.execute(
        "INSERT INTO notification_opt_out (tn, channel, address, since_us) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (tenant, channel, spelled(channel, address), unit.now_us),
    )
    unit.execute(
        "UPDATE notification SET state = 'opted_out', updated_us = ? WHERE tn = ? AND channel = ?"
        " AND lower(address) = ? AND state = 'queued'",
        (unit.now_us, tenant, channel, address.lower()),
    )


def opt_in(unit: Unit, tenant: int, channel: Channel, address: str) -> None:
    """Send to an address again."""
    unit.execute(
        "DELETE FROM notification_opt_out WHERE tn = ? AND channel = ? AND address IN (?, ?)",
        (tenant, channel, address, spelled(channel, address)),
    )


def is_opted_out(unit: Unit, tenant: int, channel: str, address: str) -> bool:
    """Whether somebody asked not to be written to."""
    found = unit.value(
        "SELECT 1 FROM notification_opt_out WHERE tn = ? AND channel = ? AND address IN (?, ?)",
        (tenant, channel, address, spelled(channel, address)),
    )
    return found is not None


def spelled(channel: str, address: str) -> str:
    """An address as opt-outs keep it: however an e-mail address is capitalised, it is one mailbox."""
    return address.lower() if channel == "email" else address


def message_of(notification: Notification, channel: Channel) -> Message:
    """What a messenger sends."""
    return Message(
        notification.notification_id, channel, notification.address, notification.subject, notification.body,
        notification.language,
    )  # fmt: skip


def set_state(unit: Unit, tenant: int, notification_id: str, state: State, *, changes: Mapping[str, Any]) -> None:
    """Move a notification to a state, with what else changes."""
    columns = {"state": state, "updated_us": unit.now_us, **changes}
    assignments = ", ".join(f"{column} = ?" for column in columns)
    unit.execute(
        f"UPDATE notification SET {assignments} WHERE tn = ? AND notification_id = ?",
        (*columns.values(), tenant, notification_id),
    )


def apply_report(unit: Unit, tenant: int, channel: str, report: DeliveryReport) -> bool:
    """Keep what a provider tells later; a final state is not taken back. False when no message has the id."""
    state = "delivered" if report.status == "delivered" else "failed" if report.status == "failed" else None
    known = unit.value(
        "SELECT 1 FROM notification WHERE tn = ? AND channel = ? AND provider_id = ? AND provider_id <> ''",
        (tenant, channel, report.provider_id),
    )
    if known is not None and state is not None:
        unit.execute(
            "UPDATE notification SET state = ?, reason = ?, updated_us = ? WHERE tn = ? AND channel = ?"
            " AND provider_id = ? AND provider_id <> '' AND state IN ('sending', 'sent', 'unknown')",
            (state, report.reason, unit.now_us, tenant, channel, report.provider_id),
        )
    return known is not None
