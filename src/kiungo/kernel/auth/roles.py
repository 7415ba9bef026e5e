"""Roles: named sets of scopes. Each part of the platform defines its own once, at import."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kiungo.base.errors import Incorrect, define
from kiungo.kernel.auth.scopes import parse_scope

ROLE_UNKNOWN = define("ROLE_UNKNOWN", Incorrect, "A role is not one the platform knows.")


@dataclass(frozen=True, slots=True)
class Role:
    """A name, what it may do, and one sentence for whom it is meant."""

    name: str
    scopes: frozenset[str]
    summary: str


_ROLES: dict[str, Role] = {}


def define_role(name: str, scopes: Iterable[str], summary: str) -> Role:
    """Make a role known; returns it.

    Raises: AssertionError when the name is taken with another meaning; Incorrect when a scope is unreadable.
    """
    role = Role(name, frozenset(scopes), summary)
    for scope in role.scopes:
        parse_scope(scope)
    if _ROLES.setdefault(name, role) != role:
        raise AssertionError(f"role {name!r} is already defined as {_ROLES[name]}")
    return role


def all_roles() -> Mapping[str, Role]:
    """Every role, by name."""
    return dict(sorted(_ROLES.items()))


def scopes_of(roles: Iterable[str], scopes: Iterable[str]) -> frozenset[str]:
    """The given scopes and those of the roles together; a role no longer defined gives nothing."""
    together = set(scopes)
    for name in roles:
        role = _ROLES.get(name)
        if role is not None:
            together |= role.scopes
    return frozenset(together)


def check_roles(roles: Iterable[str]) -> None:
    """Refuse a role that gives nothing. Raises: Incorrect ROLE_UNKNOWN."""
    for name in roles:
        if name not in _ROLES:
            raise Incorrect(
                ROLE_UNKNOWN,
                f"{name[:60]!r} is not a role",
                field="roles",
                hint=f"Known roles: {', '.join(sorted(_ROLES))}",
            )


ADMINISTRATOR = define_role("administrator", ("*:*", "system/*.cruds"), "May do everything in its tenant.")
AUDITOR = define_role("auditor", ("read:audit",), "Reads the audit trail and nothing else.")
OPERATOR = define_role(
    "operator", ("read:metrics", "read:operations", "write:operations"), "Watches and mends the running platform."
)
