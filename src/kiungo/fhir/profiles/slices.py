"""Slicing: which slice each value belongs to, and whether there are as many as each slice asks for.

Source: FHIR R4 5.1.0.6-7 (slicing, discriminators).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kiungo.fhir.definitions import UNBOUNDED, Element
from kiungo.fhir.profiles.discriminators import Matcher, matcher
from kiungo.fhir.profiles.findings import At
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.nodes import Node
from kiungo.fhir.profiles.run import Run
from kiungo.fhir.profiles.values import ValueCheck

if TYPE_CHECKING:
    from kiungo.fhir.profiles.library import Library

SliceCheck = Callable[[list[Item], At, Run], None]


class _Slice:
    """One compiled slice."""

    __slots__ = ("checks", "fits", "inner", "least", "most", "name")

    def __init__(
        self, node: Node, fits: Matcher, checks: list[ValueCheck], inner: "SliceCheck | None", one_only: bool
    ) -> None:
        self.name = node.slice_name or ""
        self.fits = fits
        self.checks = checks
        self.inner = inner
        self.least = node.min or 0
        self.most = None if node.max is None or node.max == UNBOUNDED or (one_only and node.max == 1) else node.max


def slice_check(
    node: Node, element: Element | None, library: "Library", source: str, checks_of: Callable[[Node], list[ValueCheck]]
) -> SliceCheck | None:
    """The check of a sliced element's values; None when it could never find anything."""
    slicing = node.slicing
    assert slicing is not None
    one_only = element is not None and element.max == 1
    made = []
    for one in node.slices.values():
        inner = None
        if one.slices:
            if one.slicing is None:
                one.slicing = slicing
            inner = slice_check(one, None, library, source, checks_of)
        checks = checks_of(one)
        made.append(_Slice(one, matcher(slicing, one, node, library, checks), checks, inner, one_only))
    closed, at_end, ordered = slicing.rules == "closed", slicing.rules == "openAtEnd", slicing.ordered
    idle = not (closed or at_end or ordered)
    if idle and all(not (s.least or s.most is not None or s.checks or s.inner) for s in made):
        return None
    label = node.name
    if idle and len(made) == 1:
        return _single(made[0], label, source)

    def check(found: list[Item], at: At, run: Run) -> None:
        members: list[list[Item]] = [[] for _ in made]
        last = -1
        outside: Item | None = None
        for item in found:
            position = _slice_of(made, item, run)
            if position < 0:
                outside = item
                if closed:
                    run.error("structure", item.at, _no_slice(made, source), source)
                continue
            if ordered and position < last:
                run.error("structure", item.at, f"belongs to {made[position].name}, which must come earlier", source)
            if at_end and outside is not None:
                run.error("structure", outside.at, f"belongs to no slice of {source} and must come last", source)
                outside = None
            last = max(last, position)
            members[position].append(item)
        for one, mine in zip(made, members, strict=True):
            _judge(one, mine, label, at, run, source)

    return check


def _single(one: _Slice, label: str, source: str) -> SliceCheck:
    """The frequent case, one slice with room for other values: nothing to sort or to order."""
    fits = one.fits

    def check(found: list[Item], at: At, run: Run) -> None:
        _judge(one, [item for item in found if fits(item, run)], label, at, run, source)

    return check


def _slice_of(made: list[_Slice], item: Item, run: Run) -> int:
    for position, one in enumerate(made):
        if one.fits(item, run):
            return position
    return -1


def _judge(one: _Slice, mine: list[Item], label: str, at: At, run: Run, source: str) -> None:
    if len(mine) < one.least:
        run.error(
            "required",
            at,
            f"lacks {label} for slice {one.name}: {source} asks for {one.least}, found {len(mine)}",
            source,
        )
    if one.most is not None and len(mine) > one.most:
        run.error(
            "structure", at, f"has {len(mine)} of {label} in slice {one.name}, but {source} allows {one.most}", source
        )
    for item in mine:
        for check in one.checks:
            check(item, run)
    if one.inner is not None:
        one.inner(mine, at, run)


def _no_slice(made: list[_Slice], source: str) -> str:
    names = ", ".join(one.name for one in made[:8]) or "none"
    return f"matches no slice, and {source} allows only: {names}"
