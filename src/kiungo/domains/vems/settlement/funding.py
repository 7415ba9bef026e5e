"""Money put at a rail: each sum has a key that counts once, and is shown by a statement in the end.

`seen_minor` is what statement lines have shown of a sum that the bank cut otherwise; a line that is just this sum is
used for its key instead. A sum that was taken back before any statement showed it counts as seen.
"""

from collections.abc import Sequence

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.domains.vems.settlement.errors import FUNDING_USED
from kiungo.kernel.database import Unit


def first_time(unit: Unit, tenant: int, key: str, rail: str, amount: Money) -> bool:
    """Keep a sum under its key; False when it is there already. Raises: Conflict FUNDING_USED for another sum."""
    added = unit.execute(
        "INSERT INTO settlement_funding (tn, key, rail, currency, amount_minor, at_us)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (tenant, key, rail, amount.currency, amount.minor, unit.now_us),
    )
    if added:
        return True
    known = unit.row(
        "SELECT rail, currency, amount_minor FROM settlement_funding WHERE tn = ? AND key = ?", (tenant, key)
    )
    if known is not None and tuple(known) != (rail, amount.currency, amount.minor):
        raise Conflict(
            FUNDING_USED,
            f"{key.partition('/')[2]} is {Money(known[2], known[1])} at {known[0]} already",
            field="key",
            hint="Choose another key for other money",
        )
    return False


def unseen(unit: Unit, tenant: int, rail: str, settlement_no: str, currency: str) -> list[tuple[str, int]]:
    """What was booked when a payer said it paid, and is on no statement yet: key and rest, oldest first.

    Units: minor.
    """
    first, beyond = f"remit/{settlement_no}/", f"remit/{settlement_no}0"  # "0" is what follows "/"
    found = unit.rows(
        "SELECT f.key, f.amount_minor - f.seen_minor FROM settlement_funding AS f WHERE f.tn = ? AND f.rail = ?"
        " AND f.currency = ? AND f.key >= ? AND f.key < ? AND f.seen_minor < f.amount_minor AND NOT EXISTS"
        " (SELECT 1 FROM bank_line AS b WHERE b.tn = f.tn AND b.used_as = 'funding' AND b.used_for = f.key)"
        " ORDER BY f.at_us, f.key",
        (tenant, rail, currency, first, beyond),
    )
    # A part of the same booking has a number that begins like this one's; its keys go on with another slash.
    return [(str(key), int(rest)) for key, rest in found if "/" not in key.removeprefix(first)]


def mark_seen(unit: Unit, tenant: int, sums: Sequence[tuple[str, int]], minor: int) -> int:
    """Take so much off what statements are still to show, of the first sums first; returns how much there was."""
    left = minor
    for key, rest in sums:
        part = min(left, rest)
        left -= part
        unit.execute(
            "UPDATE settlement_funding SET seen_minor = seen_minor + ? WHERE tn = ? AND key = ?", (part, tenant, key)
        )
    return minor - left
