"""E-mail over SMTP."""

from types import MappingProxyType

MANIFEST = MappingProxyType(
    {
        "name": "smtp",
        "title": "E-mail (SMTP)",
        "ports": ("messaging",),
        "maturity": "simulated",
        "why": "speaks the standard; run against its twin, no live server was reached",
    }
)
