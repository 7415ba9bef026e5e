"""The booking desk's scopes, and the roles that bundle them."""

from collections.abc import Mapping
from typing import Final

from kiungo.kernel.auth.roles import define_role
from kiungo.kernel.webhooks.model import READ_WEBHOOKS, WRITE_WEBHOOKS

READ_SERVICES: Final = "read:services"
READ_BOOKINGS: Final = "read:bookings"
WRITE_BOOKINGS: Final = "write:bookings"
OVERRIDE_BOOKINGS: Final = "override:bookings"
READ_CONTRACTS: Final = "read:contracts"
WRITE_CONTRACTS: Final = "write:contracts"
FOLLOW_CLAIMS: Final = "follow:claims"
READ_SETTLEMENTS: Final = "read:settlements"
DECIDE_SETTLEMENTS: Final = "decide:settlements"
FUND_FLOATS: Final = "fund:floats"
READ_PAYEES: Final = "read:payees"
WRITE_PAYEES: Final = "write:payees"
APPROVE_PAYEES: Final = "approve:payees"
READ_STATEMENTS: Final = "read:statements"
RECONCILE: Final = "reconcile:statements"
READ_NOTIFICATIONS: Final = "read:notifications"
WRITE_NOTIFICATIONS: Final = "write:notifications"
READ_ANALYTICS: Final = "read:analytics"
# What the guide's facility-based authentication lets a call without a credential do.
OPEN_SCOPES: Final = frozenset({READ_SERVICES, READ_BOOKINGS, WRITE_BOOKINGS})

# What a bound credential is confined to under each scope; whoever is bound to something else is refused there, and
# where nothing is named, everybody bound is: that work is the staff's. Services are for everybody to discover.
OWNERS: Final[Mapping[str, tuple[str, ...]]] = {
    READ_BOOKINGS: ("facility",),
    WRITE_BOOKINGS: ("facility",),
    READ_SETTLEMENTS: ("facility", "payee"),
    READ_NOTIFICATIONS: ("facility", "payee"),
    WRITE_NOTIFICATIONS: ("facility", "payee"),
    READ_ANALYTICS: ("facility",),
    READ_CONTRACTS: ("facility",),
    WRITE_CONTRACTS: ("facility",),
    **dict.fromkeys(
        (
            OVERRIDE_BOOKINGS, FOLLOW_CLAIMS, DECIDE_SETTLEMENTS, FUND_FLOATS,
            READ_PAYEES, WRITE_PAYEES, APPROVE_PAYEES, READ_STATEMENTS, RECONCILE,
        ),
        (),
    ),
}  # fmt: skip

FACILITY = define_role(
    "facility",
    (READ_SERVICES, READ_BOOKINGS, WRITE_BOOKINGS, READ_WEBHOOKS, WRITE_WEBHOOKS),
    "A hospital system: books equipment, sees its own bookings, hears of their changes. Bind it to its facility code.",
)
CONTRACT_MANAGER = define_role(
    "contract_manager",
    (READ_SERVICES, READ_BOOKINGS, READ_CONTRACTS, WRITE_CONTRACTS),
    "Keeps vendors, lots, services, machines and contracts.",
)
BOOKING_SUPERVISOR = define_role(
    "booking_supervisor",
    (
        READ_SERVICES,
        READ_BOOKINGS,
        WRITE_BOOKINGS,
        OVERRIDE_BOOKINGS,
        READ_CONTRACTS,
        FOLLOW_CLAIMS,
        READ_SETTLEMENTS,
        READ_NOTIFICATIONS,
        READ_ANALYTICS,
    ),
    "Sees every booking, and sets one by hand where the usual way failed.",
)
SETTLEMENT_OFFICER = define_role(
    "settlement_officer",
    (
        READ_BOOKINGS,
        READ_SETTLEMENTS,
        DECIDE_SETTLEMENTS,
        READ_PAYEES,
        READ_STATEMENTS,
        RECONCILE,
        READ_NOTIFICATIONS,
        WRITE_NOTIFICATIONS,
        READ_ANALYTICS,
    ),
    "Follows the money of bookings: settlements, unknown payments, bank statements. Decides together with another one.",
)
TREASURER = define_role(
    "treasurer",
    (READ_STATEMENTS, FUND_FLOATS),
    "Books own money that was put at a rail, and sees its floats and statements. Decides about no payment.",
)
PAYEE_MANAGER = define_role(
    "payee_manager",
    (READ_PAYEES, WRITE_PAYEES, APPROVE_PAYEES, READ_NOTIFICATIONS, WRITE_NOTIFICATIONS),
    "Keeps payees and where they are paid; what one proposes another one approves.",
)
PAYEE = define_role(
    "payee",
    (READ_SETTLEMENTS, READ_NOTIFICATIONS, WRITE_NOTIFICATIONS),
    "A vendor's system: sees what it is paid and told. Bind it to its payee id.",
)
