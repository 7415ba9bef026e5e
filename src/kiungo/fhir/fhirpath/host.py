"""What can be answered without a server: base types, R4's required value sets, nothing beyond the resource."""

from collections.abc import Mapping
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.fhirpath.types import find_type
from kiungo.fhir.fhirpath.values import Collection, Node

PROFILES = "http://hl7.org/fhir/StructureDefinition/"


class Offline:
    """The host of an evaluation that may ask nobody. `traced` keeps what `trace()` saw, in order."""

    TRACES_MAX = 1000

    def __init__(self) -> None:
        self.traced: list[tuple[str, Collection]] = []

    def resolve(self, reference: str, at: Node) -> Mapping[str, Any] | Node | None:
        """Nothing: what the resource itself holds was looked at before."""
        return None

    def member_of(self, item: Node | str, value_set: str) -> bool | None:
        """Membership in the value sets that R4 requires; those are known without a terminology service."""
        codes = definitions.value_set_codes(value_set.split("|", 1)[0])
        if codes is None:
            return None
        value = item.value if isinstance(item, Node) else item
        if isinstance(value, str):
            return any(value in names for names in codes.values())
        if not isinstance(value, dict):
            return None
        codings = value.get("coding", []) if "coding" in value else [value]
        return any(coding.get("code") in codes.get(coding.get("system", ""), ()) for coding in codings)

    def conforms_to(self, node: Node, profile: str) -> bool | None:
        """Whether the element is of a base type; other profiles are not known here."""
        name = profile.split("|", 1)[0].removeprefix(PROFILES)
        if not profile.startswith(PROFILES) or find_type(name) is None:
            return None
        return name in node.type.ancestors

    def subsumes(self, general: Node, specific: Node) -> bool | None:
        """Whether both are the same code; hierarchies are not known here."""
        same = {(c.get("system"), c.get("code")) for c in _codings(general)} & {
            (c.get("system"), c.get("code")) for c in _codings(specific)
        }
        return True if same else None

    def trace(self, name: str, items: Collection) -> None:
        """Keep it."""
        if len(self.traced) < self.TRACES_MAX:
            self.traced.append((name, list(items)))


class Silent(Offline):
    """The host of evaluations that name none: it keeps nothing of what it sees, for it is shared by all of them."""

    def trace(self, name: str, items: Collection) -> None:
        """Nothing is kept."""


def _codings(node: Node) -> list[dict[str, Any]]:
    value = node.value if isinstance(node.value, dict) else {}
    found: list[dict[str, Any]] = value.get("coding", []) if "coding" in value else [value]
    return found
