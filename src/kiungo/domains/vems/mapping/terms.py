"""The systems the mappings share."""

from typing import Final

# Identifiers other parts of the platform read too; the words are theirs as much as ours.
BOOKING_NO: Final = "urn:kiungo:booking"
PERSON: Final = "urn:kiungo:person"
FACILITY: Final = "urn:kiungo:facility"
CLAIM_ID: Final = "urn:kiungo:vems:claim"
LINE_ID: Final = "urn:kiungo:vems:service-booking"
VENDOR: Final = "urn:kiungo:vems:vendor"
SERVICE: Final = "urn:kiungo:vems:service"
IDENTIFICATION: Final = "urn:kiungo:vems:identification:"
