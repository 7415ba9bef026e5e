"""Bank transfers by file: payment files out, acknowledgements and statements back, through a shared folder."""

from types import MappingProxyType

MANIFEST = MappingProxyType(
    {
        "name": "bank_eft",
        "title": "Bank transfers by file (pain.001 or a bank's CSV)",
        "ports": ("payment",),
        "maturity": "simulated",
        "why": "formats follow their standards; bank profiles are examples, and no live bank was reached",
    }
)
