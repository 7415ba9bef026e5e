"""What somebody may hand on: never more than they hold, never beyond what they are bound to."""

from collections.abc import Iterable, Mapping

from kiungo.base.errors import Forbidden, Incorrect, define
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Principal
from kiungo.kernel.auth.roles import check_roles, scopes_of
from kiungo.kernel.auth.scopes import parse_scope

GRANT_EXCEEDS_HOLDER = define(
    "GRANT_EXCEEDS_HOLDER", Forbidden, "Nobody can hand on a scope or binding they do not hold themselves."
)
BINDING_MALFORMED = define("BINDING_MALFORMED", Incorrect, "A binding's name or value is empty or too long.")

BINDINGS_MAX = 10
SCOPES_MAX = 100
TEXT_MAX = 200


def check_grant(giver: Principal, roles: Iterable[str], scopes: Iterable[str], bindings: Mapping[str, str]) -> None:
    """Refuse a grant that is malformed, or wider than the giver's own.

    Raises: Incorrect ROLE_UNKNOWN, SCOPE_UNKNOWN_SHAPE, BINDING_MALFORMED; Forbidden GRANT_EXCEEDS_HOLDER.
    """
    check_roles(roles)
    for scope in scopes:
        parse_scope(scope)
    if len(bindings) > BINDINGS_MAX or not all(0 < len(text) <= TEXT_MAX for pair in bindings.items() for text in pair):
        raise Incorrect(
            BINDING_MALFORMED,
            f"Bindings are at most {BINDINGS_MAX} names with a value of 1 to {TEXT_MAX} characters",
            field="bindings",
            hint='Write {"provider": "PROV-001"}',
        )
    for scope in sorted(scopes_of(roles, scopes)):
        if not giver.grants.covers(scope):
            raise Forbidden(
                GRANT_EXCEEDS_HOLDER,
                f"The scope {scope} is not yours to give",
                field="scopes",
                hint="Ask somebody who holds it",
            )
    for name, value in giver.bindings.items():
        if bindings.get(name) != value:
            raise Forbidden(
                GRANT_EXCEEDS_HOLDER,
                f"You are bound to one {name}; what you give must be bound to the same",
                field="bindings",
                hint=f"Add your own {name} binding",
            )


def words(values: Iterable[str]) -> str:
    """Roles or scopes as stored: sorted, separated by spaces."""
    return " ".join(sorted(set(values)))


def bindings_text(bindings: Mapping[str, str]) -> str:
    """Bindings as stored: JSON with sorted names."""
    return json.dumps(dict(sorted(bindings.items()))).decode()


def bindings_of(text: str) -> dict[str, str]:
    """Bindings from their stored form."""
    return {str(name): str(value) for name, value in json.loads(text).items()}
