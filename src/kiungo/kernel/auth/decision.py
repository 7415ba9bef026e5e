"""The one decision function: may this principal do this action on this thing?"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from kiungo.base.errors import Forbidden, define
from kiungo.kernel.auth.principal import NO_BINDINGS, Principal

SCOPE_MISSING = define("SCOPE_MISSING", Forbidden, "The credential does not carry the scope this needs.")
NOT_YOURS = define("NOT_YOURS", Forbidden, "The credential is bound to another owner than this record's.")
OTHER_TENANT = define("OTHER_TENANT", Forbidden, "The record belongs to another tenant.")


@dataclass(frozen=True, slots=True)
class Thing:
    """What is asked about.

    `bindings` names the owners that guard it, such as {"provider": "PROV-001"}: a principal bound to
    another provider is refused, an unbound one is not. `person` is the record id of the person it is about,
    which guards as the binding "patient". A principal bound to something that guards nothing here is refused
    too, and so is every bound one where the owner is empty: nobody's.
    """

    kind: str
    id: str = ""
    tenant: int | None = None
    person: str | None = None
    bindings: Mapping[str, str] = field(default_factory=lambda: NO_BINDINGS)


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not, and why in one sentence that names no record."""

    allowed: bool
    reason: str
    code: str = ""

    def __bool__(self) -> bool:
        return self.allowed


_YES_BY_SCOPE = Decision(True, "a scope of the credential covers the action")
_YES_BY_BINDING = Decision(True, "a scope covers the action and the record is the credential's own")


def may(principal: Principal, action: str, thing: Thing | None = None) -> Decision:  # noqa: PLR0911 - one answer for each reason
    """Decide whether the principal may do the action, with the reason.

    `action` is written as a scope: `read:claims`, `system/Patient.r`. Without a thing only the scope is asked
    about; who then shows records asks again about each, or selects by the principal's bindings.
    """
    if not principal.grants.covers(action):
        return Decision(False, f"the credential does not carry the scope {action}", SCOPE_MISSING)
    if thing is None:
        return _YES_BY_SCOPE
    if thing.tenant is not None and thing.tenant != principal.tenant:
        return Decision(False, "the record belongs to another tenant", OTHER_TENANT)
    if not principal.bindings:
        return _YES_BY_SCOPE
    for name, owner in principal.bindings.items():
        guard = thing.person if name == "patient" else thing.bindings.get(name)
        if guard is None:
            return Decision(False, f"the credential is bound to a {name}, and this record is nobody's", NOT_YOURS)
        if guard != owner:
            return Decision(False, f"the credential is bound to another {name}", NOT_YOURS)
    return _YES_BY_BINDING


def refuse_other_owners(principal: Principal, owners: Collection[str]) -> None:
    """Refuse a credential bound to nothing that an answer could be confined to. Raises: Forbidden NOT_YOURS."""
    if not principal.bindings.keys() & set(owners):
        bound = ", ".join(sorted(principal.bindings))
        known = (
            f"a credential bound to a {' or '.join(owners)}, or without bindings" if owners else "one without bindings"
        )
        raise Forbidden(NOT_YOURS, f"Not allowed: the credential is bound to a {bound}", hint=f"Use {known}")


def require(principal: Principal, action: str, thing: Thing | None = None) -> None:
    """Do nothing when allowed.

    Raises: Forbidden SCOPE_MISSING, NOT_YOURS or OTHER_TENANT.
    """
    decision = may(principal, action, thing)
    if not decision.allowed:
        raise Forbidden(
            decision.code,
            f"Not allowed: {decision.reason}",
            hint="Ask the administrator for a credential with this scope and binding",
        )
