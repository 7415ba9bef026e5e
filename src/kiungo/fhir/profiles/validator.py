"""The whole validation of a resource: its structure, R4's own rules, and the profiles it claims or is asked to meet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kiungo.fhir.profiles.findings import Finding, root_at
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.library import FHIR, Library, claimed
from kiungo.fhir.profiles.resources import own_scope
from kiungo.fhir.profiles.run import Fetch, Run, fetch_nothing
from kiungo.fhir.validation.compiler import validate_any


@dataclass(frozen=True, slots=True)
class Report:
    """What a validation found, the structure first. `profiles` are those that were asked for or claimed."""

    type: str
    findings: tuple[Finding, ...]
    profiles: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return all(one.severity != "error" for one in self.findings)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Only the errors."""
        return tuple(one for one in self.findings if one.severity == "error")


class Validator:
    """Judges whole resources with the profiles of one library."""

    def __init__(self, library: Library, fetch: Fetch = fetch_nothing) -> None:
        self.library = library
        self._fetch = fetch

    def check(self, resource: Any, profiles: Iterable[str] = ()) -> Report:
        """Everything that is wrong with a resource; `profiles` are asked for beside those it claims."""
        structural = validate_any(resource)
        name = resource.get("resourceType") if resource.__class__ is dict else None
        root = name if name.__class__ is str else "Resource"
        found = [
            Finding("error", p.code, root + p.location, f"{root}{p.location} {p.message}") for p in structural or ()
        ]
        if resource.__class__ is not dict or any(f.location == f"{root}.resourceType" for f in found):
            return Report(str(root), tuple(found))
        at = root_at(root)
        run = Run(self.library, own_scope(resource, at), self._fetch)
        self.library.judge_resource(resource, at, run)
        wanted = [one for one in profiles if one != FHIR + root]
        item = Item(resource, None, root, at)
        mine = claimed(resource)
        for url in wanted:
            if url not in mine:
                self.library.judge(url, item, run, missing_is_error=True)
        ordered = tuple(dict.fromkeys((*found, *run.findings))) if found or run.findings else ()
        return Report(root, ordered, (*mine, *wanted))
