"""Messages as lists: an inbox, deliveries that failed, and the addresses that want none."""

from collections.abc import Collection
from typing import Any

from kiungo.domains.vems.notifications.service import COLUMNS, Notification, spelled
from kiungo.kernel.database import Unit


def page(
    unit: Unit,
    tenant: int,
    *,
    recipient: str | None = None,
    channel: str | None = None,
    state: str | None = None,
    about: str | None = None,
    unread_only: bool = False,
    before: tuple[int, str] | None = None,
    limit: int,
) -> list[Notification]:
    """Messages, newest first, from before one."""
    conditions: list[str] = ["tn = ?"]
    values: list[Any] = [tenant]
    for column, value in (("recipient", recipient), ("channel", channel), ("state", state)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if about is not None:
        conditions.append("(about = ? OR (about > ? AND about < ?))")
        values += [about, f"{about}/", f"{about}0"]  # the parts of a booking: "/" is followed by "0"
    if unread_only:
        conditions.append("read_us IS NULL")
    if before is not None:
        conditions.append("(created_us, notification_id) < (?, ?)")
        values += before
    rows = unit.rows(
        f"SELECT {COLUMNS} FROM notification WHERE {' AND '.join(conditions)}"
        " ORDER BY created_us DESC, notification_id DESC LIMIT ?",
        (*values, limit),
    )
    return [Notification(*row) for row in rows]


def opt_outs(
    unit: Unit,
    tenant: int,
    *,
    channel: str | None = None,
    addresses: Collection[str] | None = None,
    after: tuple[str, str] | None = None,
    limit: int,
) -> list[tuple[str, str, int]]:
    """Channel, address and since when, by channel and address, from after one; `addresses` None are everybody's."""
    conditions: list[str] = ["tn = ?"]
    values: list[Any] = [tenant]
    if channel is not None:
        conditions.append("channel = ?")
        values.append(channel)
    if addresses is not None:
        if not addresses:
            return []
        spellings = {*addresses, *(spelled("email", one) for one in addresses)}
        conditions.append(f"address IN ({', '.join('?' * len(spellings))})")
        values += sorted(spellings)
    if after is not None:
        conditions.append("(channel, address) > (?, ?)")
        values += after
    rows = unit.rows(
        f"SELECT channel, address, since_us FROM notification_opt_out WHERE {' AND '.join(conditions)}"
        " ORDER BY channel, address LIMIT ?",
        (*values, limit),
    )
    return [(channel, address, since_us) for channel, address, since_us in rows]
