"""Who asks, and may they: principals, scopes, roles, keys, tokens, and the one decision function.

The storage-touching parts live in their modules: `keys`, `clients`, `tokens`, `oauth`, `limits`; the
admin routes in `admin`. SMART App Launch adds an authorization endpoint beside `oauth` that issues the
same tokens with `user/` and `patient/` scopes and a `patient` binding; mutual TLS adds one more way to
authenticate a client in `oauth` and a certificate thumbprint to check in `authenticator`.
"""

from kiungo.kernel.auth.decision import Decision, Thing, may, require
from kiungo.kernel.auth.principal import Call, Principal, anonymous, system_call, system_principal

__all__ = [
    "Call",
    "Decision",
    "Principal",
    "Thing",
    "anonymous",
    "may",
    "require",
    "system_call",
    "system_principal",
]
