"""Kenya's Social Health Authority: claims as FHIR bundles, decisions as ClaimResponse, money as PaymentNotice."""

from types import MappingProxyType

MANIFEST = MappingProxyType(
    {
        "name": "sha",
        "title": "Social Health Authority (FHIR eClaims)",
        "ports": ("payer",),
        "maturity": "simulated",
        "why": "built from the draft eClaims guide and run against its twin; the authority was not reached",
    }
)
