"""SMS through an aggregator's HTTP interface (Africa's Talking shape)."""

from types import MappingProxyType

MANIFEST = MappingProxyType(
    {
        "name": "sms",
        "title": "SMS (Africa's Talking)",
        "ports": ("messaging",),
        "maturity": "simulated",
        "why": "built from the published documentation and run against its twin; no live vendor was reached",
    }
)
