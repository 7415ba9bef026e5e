"""A payer that speaks the HCMS claims API: claims by JSON, status by polling or signed webhook."""

from types import MappingProxyType

MANIFEST = MappingProxyType(
    {
        "name": "hcms",
        "title": "HCMS claims API",
        "ports": ("payer",),
        "maturity": "tested",
        "why": "built from the provider guide and run against our own payor, which implements it",
    }
)
