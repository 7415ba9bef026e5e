"""Whose claims a caller sees, and which work is never a provider's.

A credential bound to a provider sees that provider's claims. One bound to anything else sees none: a binding
this domain does not know can only narrow. A caller without a credential sees what the provider it names sees,
and naming none, a single claim whose id it knows; the open setting decides whether it may read at all.
"""

from typing import Final

from kiungo.base.errors import Forbidden, Unauthenticated
from kiungo.domains.payor.errors import PROVIDER_DIFFERS
from kiungo.kernel.auth import Call
from kiungo.kernel.auth.authenticator import CREDENTIAL_MISSING
from kiungo.kernel.auth.decision import NOT_YOURS

NOBODY: Final = ""
"""A provider id no claim has."""


def only_provider(call: Call, named: str | None = None) -> str | None:
    """The one provider whose claims the caller may list; None is all of them, NOBODY none.

    Raises: Forbidden PROVIDER_DIFFERS when the caller is bound to a provider and names another one.
    """
    principal = call.principal
    if principal.is_anonymous:
        return named or NOBODY
    if not principal.bindings:
        return None
    own = principal.bindings.get("provider", NOBODY)
    if own and named not in (None, own):
        raise Forbidden(
            PROVIDER_DIFFERS,
            "X-Provider-ID names another provider than the key's",
            hint="Leave the header out, or use that provider's own key",
        )
    return own


def sees(call: Call, provider_id: str, named: str | None = None) -> bool:
    """Whether the caller may see a claim of this provider, knowing the claim's id."""
    if call.principal.is_anonymous and named is None:
        return True
    own = only_provider(call, named)
    return own is None or own == provider_id


def own_provider(call: Call) -> str | None:
    """The provider the caller sends claims for. Raises: Forbidden NOT_YOURS when bound to something else."""
    bindings = call.principal.bindings
    if bindings and "provider" not in bindings:
        raise Forbidden(
            NOT_YOURS,
            "The credential is bound to something that sends no claims",
            hint="Use a credential bound to the provider",
        )
    return bindings.get("provider")


def refuse_bound(call: Call) -> None:
    """Work of the payor's own people is not for a bound credential. Raises: Forbidden NOT_YOURS."""
    if call.principal.bindings:
        raise Forbidden(
            NOT_YOURS,
            "A credential bound to one owner does not do the payor's own work",
            hint="Use a credential of the payor's staff, without bindings",
        )


def refuse_anonymous(call: Call, what: str) -> None:
    """What needs to be known who asks. Raises: Unauthenticated CREDENTIAL_MISSING."""
    if call.principal.is_anonymous:
        raise Unauthenticated(
            CREDENTIAL_MISSING,
            f"{what} needs a credential",
            hint="Send X-API-Key: KEY, or Authorization: Bearer TOKEN",
        )
