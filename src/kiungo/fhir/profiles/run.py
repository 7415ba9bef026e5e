"""One validation under way: what was found, which resource it is in, and where references lead.

Problems are bounded, nested validations too; a resource that is being judged against a profile is not judged
against it again inside itself, so circles of references end.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kiungo.fhir.profiles.findings import At, Finding, Json, place

if TYPE_CHECKING:
    from kiungo.fhir.profiles.library import Library

# Of errors, and of warnings: many of one kind must not hide the other.
FINDINGS_MAX = 200
NESTING_MAX = 24
Fetch = Callable[[str], Json | None]
"""Finds a resource by the reference's text (relative or absolute), or None."""


def fetch_nothing(_reference: str) -> Json | None:
    """No resources but those at hand."""
    return None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the walk is: `resource` the nearest one, `root` the one that contains it, `bundle` the Bundle around."""

    resource: Json
    root: Json
    at: At
    bundle: Json | None = None
    full_url: str | None = None
    by_url: Mapping[str, Json] = field(default_factory=dict)
    outer: "Scope | None" = None


class Run:
    """The state of one validation."""

    __slots__ = (
        "_fetched",
        "_mentions",
        "evaluation",
        "fetch",
        "findings",
        "library",
        "nesting",
        "scope",
        "under_way",
        "unsaid",
        "verdicts",
    )

    def __init__(self, library: "Library", scope: Scope, fetch: Fetch = fetch_nothing) -> None:
        self.library = library
        self.scope = scope
        self.fetch = fetch
        self.findings: list[Finding] = []
        self.under_way: set[tuple[str, int]] = set()
        self.nesting = 0
        self.unsaid = 0
        self.evaluation: tuple[Scope, Any] | None = None
        # What was judged stays referenced here, so that its id is nobody else's while the run lasts.
        self.verdicts: dict[tuple[str, int], tuple[Any, str | None]] = {}
        self._fetched: dict[str, Json | None] = {}
        self._mentions: tuple[Json, frozenset[str]] | None = None

    def add(self, severity: str, code: str, at: At, message: str, rule: str = "") -> None:
        """Note a finding; beyond the limit nothing more is noted."""
        kept = sum(one.severity == severity for one in self.findings) if len(self.findings) > FINDINGS_MAX else 0
        if kept < FINDINGS_MAX:
            where = place(at)
            self.findings.append(Finding(severity, code, where, f"{where} {message}", rule))

    def error(self, code: str, at: At, message: str, rule: str = "") -> None:
        """Note an error."""
        self.add("error", code, at, message, rule)

    def warn(self, code: str, at: At, message: str, rule: str = "") -> None:
        """Note a warning."""
        self.add("warning", code, at, message, rule)

    def quietly(self, work: Callable[[], None]) -> list[Finding]:
        """What a piece of work finds, kept apart."""
        kept, self.findings = self.findings, []
        try:
            work()
            return self.findings
        finally:
            self.findings = kept

    def inside(self, scope: Scope, work: Callable[[], None]) -> None:
        """Do a piece of work in another scope."""
        kept, self.scope = self.scope, scope
        try:
            work()
        finally:
            self.scope = kept

    def once(self, key: str, value: Any, work: Callable[[], None]) -> None:
        """Do a piece of work unless the same is under way around it, or the nesting is beyond reason."""
        mark = (key, id(value))
        if mark in self.under_way or self.nesting >= NESTING_MAX:
            return
        self.under_way.add(mark)
        self.nesting += 1
        try:
            work()
        finally:
            self.nesting -= 1
            self.under_way.discard(mark)

    def resolve(self, reference: str) -> Json | None:
        """The resource a reference leads to: contained, in the Bundle, or fetched; None when it is not at hand."""
        scope = self.scope
        if reference == "#":
            return scope.root
        if reference.startswith("#"):
            contained = scope.root.get("contained")
            wanted = reference[1:]
            for one in contained if contained.__class__ is list else ():
                if one.__class__ is dict and one.get("id") == wanted:
                    return one
            return None
        found = in_bundle(scope, reference)
        if found is not None:
            return found
        if reference not in self._fetched:
            self._fetched[reference] = self.fetch(reference)
        return self._fetched[reference]

    def is_mentioned(self, root: Json, logical_id: str) -> bool:
        """Whether a reference, canonical or picture anywhere in a resource names one of its contained resources."""
        kept = self._mentions
        if kept is None or kept[0] is not root:
            kept = self._mentions = (root, frozenset(mentions(root)))
        return logical_id in kept[1]


_IN_HTML = re.compile(r'[="\']#([^"\'\s<>]{1,64})["\']')


def mentions(value: Any) -> Iterator[str]:
    """The ids that local references name, those in narrative too."""
    stack: list[Any] = [value]
    while stack:
        one = stack.pop()
        if one.__class__ is dict:
            stack.extend(one.values())
        elif one.__class__ is list:
            stack.extend(one)
        elif one.__class__ is str:
            if one.startswith("#"):
                yield one[1:]
            elif "#" in one and "<" in one:
                yield from _IN_HTML.findall(one)


def in_bundle(scope: Scope, reference: str) -> Json | None:
    """The entry a reference means by the rules of Bundle. Source: FHIR R4 2.36.4.1."""
    while scope.bundle is None and scope.outer is not None:
        scope = scope.outer
    if scope.bundle is None:
        return None
    plain = reference.partition("|")[0].partition("#")[0]
    version = None
    if "/_history/" in plain:
        plain, _, version = plain.partition("/_history/")
    target = plain
    if not _is_absolute(plain) and scope.full_url and _is_restful(scope.full_url):
        target = scope.full_url.rsplit("/", 2)[0] + "/" + plain
    found = scope.by_url.get(target)
    if version is None or found is None:
        return found
    exact = scope.by_url.get(f"{target}/_history/{version}")
    # An entry without a version of its own may be the one that is meant; one with another version is not.
    return exact if exact is not None or _is_versioned(found) else found


def _is_versioned(resource: Json) -> bool:
    meta = resource.get("meta")
    return meta.__class__ is dict and "versionId" in meta


def _is_absolute(text: str) -> bool:
    return text.startswith(("http://", "https://", "urn:"))


def _is_restful(url: str) -> bool:
    return url.startswith(("http://", "https://")) and url.count("/") >= 4
