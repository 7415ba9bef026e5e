"""Who asks: the principal behind a credential, and the call it makes."""

from asyncio import Future
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from kiungo.kernel.auth.scopes import Grants

Kind = Literal["api_key", "oauth_client", "session", "system", "anonymous"]
NO_BINDINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that may ask, with what it may do and what it is bound to.

    `scopes` already include those of the roles. `bindings` narrow everything the principal does to one
    owner each, such as {"provider": "PROV-001"}; the kernel treats names and values as opaque.
    `root` is the id of the first key when keys replaced each other: who asks is the same under each of them.
    """

    tenant: int
    id: str
    kind: Kind
    name: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    bindings: Mapping[str, str] = field(default_factory=lambda: NO_BINDINGS)
    root: str = ""
    grants: Grants = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.root:
            object.__setattr__(self, "root", self.id)
        object.__setattr__(self, "grants", Grants(self.scopes))

    @property
    def is_anonymous(self) -> bool:
        """Whether no credential was shown."""
        return self.kind == "anonymous"


@dataclass(slots=True, eq=False)
class Call:
    """One question asked by one principal; passed to every service function as `call`.

    `origin` is the caller's network address, or the name of the inner part that asks.
    `pending` is what must have happened before the answer leaves (a strict audit write).
    """

    principal: Principal
    request_id: str
    origin: str
    pending: "Future[None] | None" = None

    @property
    def tenant(self) -> int:
        """The tenant everything in this call belongs to."""
        return self.principal.tenant


def anonymous(tenant: int, scopes: Iterable[str] = ()) -> Principal:
    """The principal of a call without a credential; it may do only what the open routes were given."""
    return Principal(tenant, "anonymous", "anonymous", "anonymous", scopes=frozenset(scopes))


@lru_cache(maxsize=64)
def system_principal(tenant: int, name: str = "system") -> Principal:
    """The platform itself: may do everything within its tenant."""
    scopes = frozenset({"*:*", "system/*.cruds"})
    return Principal(tenant, f"system:{name}", "system", name, scopes=scopes)


def system_call(tenant: int, *, name: str = "system", request_id: str = "") -> Call:
    """A call made by the platform itself: jobs, schedules, imports, the command line."""
    return Call(system_principal(tenant, name), request_id or f"system-{name}", name)
