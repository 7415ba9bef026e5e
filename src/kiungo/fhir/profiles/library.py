"""The compiled profiles of one tenant: each is made on first use, and their number is bounded."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from kiungo.base.errors import KiungoError
from kiungo.fhir import definitions
from kiungo.fhir.profiles.base import Walk, walk_of
from kiungo.fhir.profiles.canonicals import Named
from kiungo.fhir.profiles.codes import Codes, Terminology
from kiungo.fhir.profiles.compiler import ObjectCheck, all_checks, object_checks
from kiungo.fhir.profiles.conformance import Source
from kiungo.fhir.profiles.findings import At, Json, errors_of
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.nodes import Node
from kiungo.fhir.profiles.resources import scope_of
from kiungo.fhir.profiles.run import Run
from kiungo.fhir.profiles.trees import tree_of
from kiungo.fhir.profiles.values import ValueCheck

PLANS_MAX = 500
TREES_MAX = 500
FHIR = "http://hl7.org/fhir/StructureDefinition/"
T = TypeVar("T")


class Kept(Generic[T]):
    """At most so many values; the oldest goes first, and is made again when it is needed. Safe from any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The value of a key, made when it is not there."""
        held = self._held.get(key)
        if held is not None:
            return held
        with self._lock:
            made = self._held.get(key)
            if made is None:
                made = self._held[key] = make()
                if len(self._held) > self._most:
                    self._held.popitem(last=False)
            return made

    def __len__(self) -> int:
        return len(self._held)


class Plan:
    """A compiled profile. `problem` says why it cannot be used."""

    __slots__ = ("problem", "root", "type", "url", "whole")

    def __init__(
        self, url: str, type_name: str, whole: list[ValueCheck], root: list[ObjectCheck], problem: str = ""
    ) -> None:
        self.url = url
        self.type = type_name
        self.whole = whole
        self.root = root
        self.problem = problem


class Library:
    """Judges resources and elements against base types and profiles."""

    conformance: Source
    codes: Codes
    named: Named

    def __init__(self, conformance: Source, terminology: Terminology) -> None:
        self.conformance = conformance
        self.codes = Codes(terminology)
        self.named = Named(conformance)
        self._plans: Kept[Plan] = Kept(PLANS_MAX)
        self._trees: Kept[tuple[Node | None, str]] = Kept(TREES_MAX)

    def walk(self, type_name: str) -> Walk:
        """R4's own rules for a type."""
        return walk_of(type_name)

    def tree(self, url: str) -> Node | None:
        """The tree of a profile; None when it is not installed, is broken, or is a base type."""
        return self._trees.get(url, lambda: self._make_tree(url))[0]

    def _make_tree(self, url: str) -> tuple[Node | None, str]:
        structure = self.conformance.find("StructureDefinition", url)
        if structure is None:
            return None, "is not installed here"
        try:
            return tree_of(structure, lambda one: self.conformance.find("StructureDefinition", one)), ""
        except KiungoError as error:
            return None, error.message
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            # A StructureDefinition from outside may be malformed in any way; which is said, not hidden.
            return None, f"is no StructureDefinition that can be read ({type(error).__name__})"

    def plan(self, url: str) -> Plan:
        """The compiled profile of an address."""
        return self._plans.get(url, lambda: self._make_plan(url))

    def _make_plan(self, url: str) -> Plan:
        name = url.partition("|")[0].removeprefix(FHIR)
        if definitions.find_type(name) is not None:
            return Plan(url, name, [], [])
        tree, problem = self._trees.get(url, lambda: self._make_tree(url))
        if tree is None:
            return Plan(url, "", [], [], problem)
        children = tree.children
        tree = tree.copy()
        tree.children = {}
        whole = all_checks(tree, None, self, url.partition("|")[0], 0)
        tree.children = children
        return Plan(url, tree.name, whole, object_checks(tree, tree.name, self, url.partition("|")[0]))

    def judge(self, url: str, item: Item, run: Run, *, missing_is_error: bool = False) -> None:
        """Judge a value against a profile."""
        plan = self.plan(url)
        if plan.problem:
            add = run.error if missing_is_error else run.warn
            add("not-found", item.at, f"was not judged by {url}: the profile {plan.problem}", url)
            return
        if plan.type != item.type and not _is_kind_of(item.type, plan.type):
            run.error("structure", item.at, f"is a {item.type}, but the profile {url} is about {plan.type}", url)
            return
        value = item.value
        is_resource = value.__class__ is dict and "resourceType" in value

        def work() -> None:
            for check in plan.whole:
                check(item, run)
            if value.__class__ is dict:
                for one in plan.root:
                    one(value, item.at, run)

        if is_resource and value is not run.scope.resource:
            run.once(url, value, lambda: run.inside(scope_of(item, run.scope), work))
        else:
            run.once(url, value, work)

    def meets(self, item: Item, url: str, run: Run) -> bool:
        """Whether a value meets a profile; nothing is noted."""
        return item.value is not None and self._first_error(url, item, run) is None

    def why_not(self, item: Item, urls: tuple[str, ...], run: Run) -> str | None:
        """The first error of a value against the first of some profiles; None when it meets one of them."""
        first: str | None = None
        for url in urls:
            found = self._first_error(url, item, run)
            if found is None:
                return None
            first = first or found
        return first

    def _first_error(self, url: str, item: Item, run: Run) -> str | None:
        """What is wrong with a value by a profile; a resource is judged once in a run, however many point to it.

        A verdict reached inside a circle of references assumes that the circle holds: what breaks it is noted where
        it breaks.
        """
        value = item.value
        key = (url, id(value))
        known = run.verdicts.get(key)
        if known is not None:
            return known[1]
        found = errors_of(run.quietly(partial(self.judge, url, item, run, missing_is_error=True)))
        verdict = found[0].message if found else None
        if value.__class__ is dict:
            run.verdicts[key] = (value, verdict)
        return verdict

    def judge_resource(self, resource: Json, at: At, run: Run) -> None:
        """Judge a resource, in its own scope, by R4's rules and by the profiles it claims."""
        name = str(resource.get("resourceType"))
        self.walk(name)(resource, at, run)
        for position, url in enumerate(claimed(resource)):
            where: At = ((at, "meta", -1), "profile", position)
            plan = self.plan(url)
            if plan.problem:
                run.warn("not-found", where, f"is {url}, which {plan.problem}", url)
            else:
                self.judge(url, Item(resource, None, name, at), run)


def claimed(resource: Json) -> list[str]:
    """The profiles a resource says it meets."""
    meta = resource.get("meta")
    found = meta.get("profile") if meta.__class__ is dict else None
    return [one for one in found if one.__class__ is str] if found.__class__ is list else []


def _is_kind_of(name: str, wanted: str) -> bool:
    if wanted in {"Resource", "Element"}:
        return True
    if wanted == "DomainResource":
        return name not in {"Bundle", "Binary", "Parameters"}
    return wanted == "Quantity" and name in _QUANTITIES


_QUANTITIES = frozenset({"Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"})
