"""Canonical addresses: what they name is of a type that may stand there, as far as it is known here.

Source: FHIR R4 2.24.0.1 (canonical), ElementDefinition.type.targetProfile.
"""

import time
from collections.abc import Callable
from typing import Any

from kiungo.fhir.definitions.rules import canonical_types
from kiungo.fhir.profiles.conformance import Source
from kiungo.fhir.profiles.findings import At
from kiungo.fhir.profiles.run import Run

R4 = "http://hl7.org/fhir/"
SEEN_MAX = 10_000
SEEN_S = 1.0
# Of one validation: an address that does not say its type is looked for among all of them.
UNSAID_MAX = 20


class Named:
    """The types that addresses name. Answers are kept for a second: the same few addresses come again and again."""

    __slots__ = ("_conformance", "_seen", "_until_s")

    def __init__(self, conformance: Source) -> None:
        self._conformance = conformance
        self._seen: dict[tuple[str, frozenset[str]], str | None] = {}
        self._until_s = 0.0

    def kind_of(self, address: str, wanted: frozenset[str], run: Run) -> str | None:
        """One of the wanted types if any resource of those has the address, else another's; None when none has it."""
        now_s = time.monotonic()
        if now_s > self._until_s or len(self._seen) >= SEEN_MAX:
            self._seen, self._until_s = {}, now_s + SEEN_S
        key = (address, wanted)
        if key not in self._seen:
            plain = address.partition("#")[0]
            said = _said(plain)
            if said is None:
                run.unsaid += 1
                if run.unsaid > UNSAID_MAX:
                    return None
            self._seen[key] = self._look(plain, said, wanted)
        return self._seen[key]

    def _look(self, address: str, said: str | None, wanted: frozenset[str]) -> str | None:
        if said is not None and address.startswith(f"{R4}{said}/"):
            return said  # R4's own; not all of it is kept here
        # Nearly every address says the type it names: of those that do, no other type is looked for.
        others = canonical_types() if said is None else {said}
        order = (*sorted(wanted), *sorted(others - wanted))
        return next((kind for kind in order if self._conformance.find(kind, address) is not None), None)


def _said(address: str) -> str | None:
    """The type an address says by its path, as in http://example.org/fhir/ValueSet/colours."""
    parts = address.partition("|")[0].rsplit("/", 2)
    return parts[1] if len(parts) == 3 and parts[1] in canonical_types() else None


def named_check(allowed: frozenset[str], source: str = "R4") -> Callable[[Any, At, Run], None]:
    """The check of a canonical address against the types it may name."""
    listed = ", ".join(sorted(allowed))

    def check(value: Any, at: At, run: Run) -> None:
        if value.__class__ is not str:
            return
        if value.startswith("#"):
            target = run.resolve(value)
            kind = str(target.get("resourceType")) if target is not None else None
        else:
            kind = run.library.named.kind_of(value, allowed, run)
        if kind is not None and kind not in allowed:
            run.error("structure", at, f"names a {kind}, but {source} allows only {listed}", source)

    return check
