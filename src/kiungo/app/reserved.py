"""Records that callers of the FHIR API only read, by their identifiers' systems, and who writes them instead."""

from typing import Final

from kiungo.domains.payor.mapping.terms import CLAIM_ID
from kiungo.domains.vems.mapping.terms import BOOKING_NO, LINE_ID

RESERVED: Final = {
    CLAIM_ID: "the claims API under /api/claims/",
    BOOKING_NO: "the bookings API under /hmis/v1/",
    LINE_ID: "the bookings API under /hmis/v1/",
}
