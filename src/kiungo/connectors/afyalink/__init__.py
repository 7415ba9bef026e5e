"""Kenya's national registries over AfyaLink: patients, facilities and eligibility."""

from types import MappingProxyType

MANIFEST = MappingProxyType(
    {
        "name": "afyalink",
        "title": "AfyaLink (Kenya Digital Health Agency)",
        "ports": ("registry",),
        "maturity": "simulated",
        "why": "built from the published pages and run against its twin; the national service was not reached",
    }
)
