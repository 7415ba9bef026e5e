"""Payees and their payment details: a change needs a second person, and is on hold for a day.

Whoever can change where money goes can steal it: details become usable only when somebody other than the proposer
approves them, and changed ones no sooner than the hold after they were proposed. While they are on hold nothing is paid
to the payee at all: the old account may be the one that was lost.
"""

import re
from collections.abc import Sequence

from kiungo.base.errors import Conflict, Forbidden, Incorrect, NotFound
from kiungo.base.time import SECOND_US, iso_seconds
from kiungo.domains.vems.settlement.errors import (
    PAYEE_DETAILS_STATE,
    PAYEE_DETAILS_WRONG,
    PAYEE_NOT_FOUND,
    TWO_PERSONS_NEEDED,
)
from kiungo.domains.vems.settlement.model import Payee, PayeeDetails, Preference
from kiungo.kernel import audit, jobs, json
from kiungo.kernel.auth.keys import root_of
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Unit
from kiungo.ports.payment import Destination

PREFERENCES_MAX = 5
NAME_LENGTH_MAX = 70
_NUMBERS = {
    "wallet": re.compile(r"254[17][0-9]{8}\Z", re.ASCII),
    "shortcode": re.compile(r"[0-9]{5,7}\Z", re.ASCII),
    "till": re.compile(r"[0-9]{5,8}\Z", re.ASCII),
    "bank_account": re.compile(r"[A-Za-z0-9]{5,20}\Z", re.ASCII),
}
_BANK_CODE = re.compile(r"[0-9]{2}\Z", re.ASCII)
_BRANCH_CODE = re.compile(r"[0-9]{3}\Z", re.ASCII)
_DETAILS = "payee_id, version, state, body, proposed_by, proposed_us, decided_by, usable_from_us"


def put_payee(unit: Unit, call: Call, payee: Payee) -> None:
    """Create a payee, or change its name and how it is told. Raises: Incorrect PAYEE_DETAILS_WRONG."""
    if not payee.payee_id or not 1 <= len(payee.name) <= NAME_LENGTH_MAX or any(ord(c) < 32 for c in payee.name):
        raise _wrong("name", f"a payee has an id and a name of 1 to {NAME_LENGTH_MAX} characters")
    unit.execute(
        "INSERT INTO settlement_payee (tn, payee_id, name, language, phone, email, updated_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tn, payee_id) DO UPDATE SET name = excluded.name,"
        " language = excluded.language, phone = excluded.phone, email = excluded.email,"
        " updated_us = excluded.updated_us",
        (call.tenant, payee.payee_id, payee.name, payee.language, payee.phone, payee.email, unit.now_us),
    )
    audit.record(unit, call, "update", kind="Payee", id=payee.payee_id)


def find_payee(unit: Unit, tenant: int, payee_id: str) -> Payee | None:
    """A payee, or None."""
    row = unit.row(
        "SELECT payee_id, name, language, phone, email FROM settlement_payee WHERE tn = ? AND payee_id = ?",
        (tenant, payee_id),
    )
    return None if row is None else Payee(*row)


def payees_page(unit: Unit, tenant: int, *, after: str, limit: int) -> list[Payee]:
    """Payees by their ids, from after one."""
    rows = unit.rows(
        "SELECT payee_id, name, language, phone, email FROM settlement_payee WHERE tn = ? AND payee_id > ?"
        " ORDER BY payee_id LIMIT ?",
        (tenant, after, limit),
    )
    return [Payee(*row) for row in rows]


def details_of(unit: Unit, tenant: int, payee_id: str, *, limit: int = 50) -> list[PayeeDetails]:
    """The versions of a payee's payment details, the newest first."""
    rows = unit.rows(
        f"SELECT {_DETAILS} FROM settlement_payee_details WHERE tn = ? AND payee_id = ? ORDER BY version DESC LIMIT ?",
        (tenant, payee_id, limit),
    )
    return [_details(row) for row in rows]


def propose_details(unit: Unit, call: Call, payee_id: str, preferences: Sequence[Preference]) -> int:
    """Propose where a payee wants its money, best first; returns the version to approve.

    Raises: NotFound PAYEE_NOT_FOUND; Incorrect PAYEE_DETAILS_WRONG.
    """
    if find_payee(unit, call.tenant, payee_id) is None:
        raise NotFound(PAYEE_NOT_FOUND, f"No payee {payee_id}", field="payee_id", hint="Create the payee first")
    _check(preferences)
    unit.lock(f"payee/{call.tenant}/{payee_id}")
    unit.execute(
        "UPDATE settlement_payee_details SET state = 'refused' WHERE tn = ? AND payee_id = ? AND state = 'proposed'",
        (call.tenant, payee_id),
    )
    version = 1 + int(
        unit.value(
            "SELECT coalesce(max(version), 0) FROM settlement_payee_details WHERE tn = ? AND payee_id = ?",
            (call.tenant, payee_id),
        )
    )
    body = [
        {
            "rail": preference.rail,
            "kind": preference.destination.kind,
            "number": preference.destination.number,
            "bank_code": preference.destination.bank_code,
            "branch_code": preference.destination.branch_code,
        }
        for preference in preferences
    ]
    unit.execute(
        "INSERT INTO settlement_payee_details (tn, payee_id, version, state, body, proposed_by, proposed_us)"
        " VALUES (?, ?, ?, 'proposed', ?, ?, ?)",
        (call.tenant, payee_id, version, json.dumps(body), call.principal.id, unit.now_us),
    )
    audit.record(unit, call, "propose", kind="PayeeDetails", id=f"{payee_id}/{version}")
    return version


def approve_details(unit: Unit, call: Call, payee_id: str, version: int, *, hold_s: int) -> PayeeDetails:
    """Approve proposed details as a second person; changed ones become usable when their hold is over.

    Raises: Forbidden TWO_PERSONS_NEEDED; Conflict PAYEE_DETAILS_STATE.
    """
    unit.lock(f"payee/{call.tenant}/{payee_id}")
    proposed = _proposed(unit, call, payee_id, version)
    if root_of(unit, call.tenant, proposed.proposed_by) == root_of(unit, call.tenant, call.principal.id):
        raise Forbidden(
            TWO_PERSONS_NEEDED, "Whoever proposed the details cannot approve them", hint="Ask a colleague to approve"
        )
    is_change = unit.execute(
        "UPDATE settlement_payee_details SET state = 'retired' WHERE tn = ? AND payee_id = ? AND state = 'active'",
        (call.tenant, payee_id),
    )
    held_until_us = proposed.proposed_us + hold_s * SECOND_US if is_change else unit.now_us
    usable_from_us = max(unit.now_us, held_until_us)
    unit.execute(
        "UPDATE settlement_payee_details SET state = 'active', decided_by = ?, decided_us = ?, usable_from_us = ?"
        " WHERE tn = ? AND payee_id = ? AND version = ?",
        (call.principal.id, unit.now_us, usable_from_us, call.tenant, payee_id, version),
    )
    audit.record(unit, call, "approve", kind="PayeeDetails", id=f"{payee_id}/{version}")
    jobs.enqueue(
        unit, "settlement.release", {"payee": payee_id}, tenant=call.tenant, key=f"payee/{payee_id}/{version}",
        run_at_us=usable_from_us,
    )  # fmt: skip
    return active_details(unit, call.tenant, payee_id) or proposed


def refuse_details(unit: Unit, call: Call, payee_id: str, version: int) -> None:
    """Refuse proposed details. Raises: Conflict PAYEE_DETAILS_STATE."""
    _proposed(unit, call, payee_id, version)
    unit.execute(
        "UPDATE settlement_payee_details SET state = 'refused', decided_us = ? WHERE tn = ? AND payee_id = ?"
        " AND version = ?",
        (unit.now_us, call.tenant, payee_id, version),
    )
    audit.record(unit, call, "refuse", kind="PayeeDetails", id=f"{payee_id}/{version}")


def active_details(unit: Unit, tenant: int, payee_id: str) -> PayeeDetails | None:
    """The approved details of a payee, usable or still on hold."""
    row = unit.row(
        f"SELECT {_DETAILS} FROM settlement_payee_details WHERE tn = ? AND payee_id = ? AND state = 'active'",
        (tenant, payee_id),
    )
    return None if row is None else _details(row)


def usable_preferences(unit: Unit, tenant: int, payee_id: str) -> tuple[Preference, ...] | str:
    """Where the payee may be paid now, or the reason why nowhere."""
    details = active_details(unit, tenant, payee_id)
    if details is None:
        return "the payee has no approved payment details"
    if details.usable_from_us is not None and details.usable_from_us > unit.now_us:
        return f"changed payment details are on hold until {iso_seconds(details.usable_from_us)}"
    return details.preferences


def _proposed(unit: Unit, call: Call, payee_id: str, version: int) -> PayeeDetails:
    row = unit.row(
        f"SELECT {_DETAILS} FROM settlement_payee_details WHERE tn = ? AND payee_id = ? AND version = ?",
        (call.tenant, payee_id, version),
    )
    if row is None or row[2] != "proposed":
        raise Conflict(
            PAYEE_DETAILS_STATE, f"Version {version} of {payee_id} is not waiting for a decision", hint="List them"
        )
    return _details(row)


def _check(preferences: Sequence[Preference]) -> None:
    if not 1 <= len(preferences) <= PREFERENCES_MAX:
        raise _wrong("preferences", f"a payee has 1 to {PREFERENCES_MAX} destinations")
    for number, preference in enumerate(preferences):
        to = preference.destination
        form = _NUMBERS.get(to.kind)
        if form is None or not form.match(to.number):
            raise _wrong(f"preferences.{number}.number", f"is not the number of a {to.kind}")
        is_bank = to.kind == "bank_account"
        if is_bank and not (_BANK_CODE.match(to.bank_code) and _BRANCH_CODE.match(to.branch_code)):
            raise _wrong(f"preferences.{number}.bank_code", "a bank account has a 2-digit bank and 3-digit branch code")
        if not preference.rail:
            raise _wrong(f"preferences.{number}.rail", "names no rail")


def _details(row: tuple[object, ...]) -> PayeeDetails:
    payee_id, version, state, body, proposed_by, proposed_us, decided_by, usable_from_us = row
    preferences = tuple(
        Preference(item["rail"], Destination(item["kind"], item["number"], item["bank_code"], item["branch_code"]))
        for item in json.loads(body)  # type: ignore[arg-type]
    )
    return PayeeDetails(
        str(payee_id), int(version), state, preferences, str(proposed_by), int(proposed_us), decided_by,  # type: ignore[call-overload,arg-type]
        usable_from_us,  # type: ignore[arg-type]
    )  # fmt: skip


def _wrong(field: str, problem: str) -> Incorrect:
    return Incorrect(
        PAYEE_DETAILS_WRONG, f"{field}: {problem}", field=field, hint="Correct the payment details and send them again"
    )
