"""The booking desk's scopes, and the roles that bundle them."""

from typing import Final

from kiungo.kernel.auth.roles import define_role

READ_SERVICES: Final = "read:services"
READ_BOOKINGS: Final = "read:bookings"
WRITE_BOOKINGS: Final = "write:bookings"
OVERRIDE_BOOKINGS: Final = "override:bookings"
READ_CONTRACTS: Final = "read:contracts"
WRITE_CONTRACTS: Final = "write:contracts"
FOLLOW_CLAIMS: Final = "follow:claims"
# What the guide's facility-based authentication lets a call without a credential do.
OPEN_SCOPES: Final = frozenset({READ_SERVICES, READ_BOOKINGS, WRITE_BOOKINGS})

FACILITY = define_role(
    "facility",
    (READ_SERVICES, READ_BOOKINGS, WRITE_BOOKINGS),
    "A hospital system: books equipment and sees its own bookings. Bind it to its facility code.",
)
CONTRACT_MANAGER = define_role(
    "contract_manager",
    (READ_SERVICES, READ_BOOKINGS, READ_CONTRACTS, WRITE_CONTRACTS),
    "Keeps vendors, lots, services, machines and contracts.",
)
BOOKING_SUPERVISOR = define_role(
    "booking_supervisor",
    (READ_SERVICES, READ_BOOKINGS, WRITE_BOOKINGS, OVERRIDE_BOOKINGS, READ_CONTRACTS, FOLLOW_CLAIMS),
    "Sees every booking, and sets one by hand where the usual way failed.",
)
