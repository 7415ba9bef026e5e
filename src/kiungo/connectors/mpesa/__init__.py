"""Mobile money over Daraja: payments to short codes and tills (B2B) and to phones (B2C)."""

from types import MappingProxyType

MANIFEST = MappingProxyType(
    {
        "name": "mpesa",
        "title": "M-Pesa business payments (Daraja)",
        "ports": ("payment",),
        "maturity": "simulated",
        "why": "built from the published documentation and run against its twin; no live vendor was reached",
    }
)
