"""Discriminators: how a value shows which slice it belongs to.

A discriminator's path is walked twice: through the slice's definition, for what it must find, and through the value.
Source: FHIR R4 ElementDefinition.slicing.discriminator (value, exists, pattern, type, profile).
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kiungo.fhir.profiles.findings import errors_of
from kiungo.fhir.profiles.items import Item, children, reads_of
from kiungo.fhir.profiles.nodes import Node, Slicing
from kiungo.fhir.profiles.patterns import beneath, is_fixed, matches
from kiungo.fhir.profiles.run import Run

if TYPE_CHECKING:
    from kiungo.fhir.profiles.library import Library
    from kiungo.fhir.profiles.values import ValueCheck

Matcher = Callable[[Item, Run], bool]
Test = Callable[[list[Item], Run], bool]
_STEP = re.compile(r"(?:[^.()'\"]|\((?:'[^']*'|\"[^\"]*\"|[^()'\"])*\)|'[^']*')+")
_CALL = re.compile(r"(\w+)\((.*)\)")


def steps_of(path: str) -> list[str]:
    """The steps of a discriminator path; `$this` is none."""
    return [step for step in _STEP.findall(path) if step != "$this"]


def matcher(slicing: Slicing, one: Node, whole: Node, library: "Library", checks: "list[ValueCheck]") -> Matcher:
    """Whether a value belongs to a slice: every discriminator agrees."""
    quick = _by_texts(slicing, one, whole, library)
    if quick is not None:
        return quick
    tests: list[tuple[list[str], Test]] = []
    for kind, path in slicing.discriminators:
        steps = steps_of(path)
        test = _test(kind, steps, one, whole, library)
        if test is not None:
            tests.append((steps, test))
    if not slicing.discriminators:
        return _by_trying(checks)
    if not tests:
        return lambda _item, _run: True

    def fits(item: Item, run: Run) -> bool:
        for steps, test in tests:
            scope = run.scope
            reached = reach([item], steps, run)
            found = test(reached, run)
            run.scope = scope
            if not found:
                return False
        return True

    return fits


def _by_texts(slicing: Slicing, one: Node, whole: Node, library: "Library") -> Matcher | None:
    """Discriminators that are fixed texts at plain paths, the usual case: read straight from the JSON."""
    wanted: list[tuple[list[str], str]] = []
    types = one.type_names()
    for kind, path in slicing.discriminators:
        steps = steps_of(path)
        nodes, patterns = _defined(one, whole, steps, library)
        fixed = {node.fixed[1] for node in nodes if node.fixed and node.fixed[1].__class__ is str}
        if kind != "value" or not steps or len(fixed) != 1 or len(patterns) != 1 or not _are_plain(steps, types):
            return None
        wanted.append((steps, fixed.pop()))
    if not wanted:
        return None

    if len(wanted) == 1:
        has_one = _text_at(*wanted[0])
        return lambda item, _run: has_one(item.value)
    tests = [_text_at(steps, text) for steps, text in wanted]

    def fits(item: Item, _run: Run) -> bool:
        value = item.value
        for has in tests:  # noqa: SIM110 - `all` with a generator takes twice the time
            if not has(value):
                return False
        return True

    return fits


def _are_plain(steps: list[str], types: tuple[str, ...]) -> bool:
    """Whether every step has one JSON name whatever the type."""
    for step in steps:
        reads = [reads_of(name, step) for name in types]
        if not reads or any(len(found) != 1 for found in reads):
            return False
        types = tuple({found[0].type for found in reads})
    return True


def _text_at(steps: list[str], text: str) -> Callable[[Any], bool]:
    """Whether a text stands at the end of some steps through objects and lists."""
    if not steps:
        return lambda value: value == text or (value.__class__ is list and text in value)
    step, beyond = steps[0], _text_at(steps[1:], text)

    def has(value: Any) -> bool:
        if value.__class__ is dict:
            return beyond(value.get(step))
        if value.__class__ is list:
            for one in value:
                if has(one):
                    return True
        return False

    return has


def _by_trying(checks: "list[ValueCheck]") -> Matcher:
    """A slicing without discriminators: a value belongs to the slice it meets."""

    def fits(item: Item, run: Run) -> bool:
        def work() -> None:
            for check in checks:
                check(item, run)

        return not errors_of(run.quietly(work))

    return fits


def reach(found: list[Item], steps: list[str], run: Run) -> list[Item]:
    """The values a path leads to. `resolve()` follows references; one that leads nowhere is left out."""
    for step in steps:
        call = _CALL.fullmatch(step)
        if call is None:
            found = [child for item in found for child in children(item, step)]
        elif call[1] == "resolve":
            found = [target for item in found for target in _resolved(item, run)]
        elif call[1] == "extension":
            url = call[2].strip("'\" ")
            found = [
                e
                for item in found
                for e in children(item, "extension")
                if e.value.__class__ is dict and e.value.get("url") == url
            ]
        elif call[1] == "ofType":
            wanted = call[2].strip().rpartition(".")[2]
            found = [item for item in found if item.type == wanted]
        else:
            found = []
    return found


def _resolved(item: Item, run: Run) -> list[Item]:
    reference = item.value.get("reference") if item.value.__class__ is dict else item.value
    if reference.__class__ is not str:
        return []
    target = run.resolve(reference)
    if target is None:
        kind = type_in(reference) or (item.value.get("type") if item.value.__class__ is dict else None)
        return [Item(None, None, kind, item.at)] if kind.__class__ is str and kind else []
    return [Item(target, None, str(target.get("resourceType")), item.at)]


def type_in(reference: str) -> str | None:
    """The resource type a reference's text names, or None."""
    parts = reference.partition("/_history/")[0].rsplit("/", 2)
    name = parts[-2] if len(parts) >= 2 else ""
    return name if name[:1].isupper() and name.isalpha() else None


def _test(kind: str, steps: list[str], one: Node, whole: Node, library: "Library") -> Test | None:
    nodes, patterns = _defined(one, whole, steps, library)
    if kind == "exists":
        return _exists_test(nodes)
    if kind == "type":
        return _type_test(nodes, steps)
    if kind == "profile":
        return _profile_test(nodes, steps, library)
    return _value_test(nodes, patterns, library)


def _defined(one: Node, whole: Node, steps: list[str], library: "Library") -> tuple[list[Node], list[Any]]:
    """The nodes a path leads to in the slice (or the profile of its type), and what patterns above say of it."""
    nodes: list[Node] = [one]
    patterns = [p[1] for p in (one.pattern, one.fixed) if p]
    for step in steps:
        call = _CALL.fullmatch(step)
        if call and call[1] == "ofType":
            continue
        if call and call[1] == "resolve":
            nodes = [n for node in nodes for n in _target_roots(node, library)]
            patterns = []
            continue
        name = "extension" if call and call[1] == "extension" else step
        patterns = [part for pattern in patterns for part in beneath(pattern, name)]
        reached = [n for node in nodes for n in _children_of(node, name, library)]
        if call and call[1] == "extension":
            url = call[2].strip("'\" ")
            reached = [n for node in reached for n in node.slices.values() if _is_for_extension(n, url)] or reached
        nodes = reached
        patterns += [p[1] for node in nodes for p in (node.pattern, node.fixed) if p]
    return nodes, patterns


def _children_of(node: Node, name: str, library: "Library") -> list[Node]:
    for choice in (name, name + "[x]"):
        if choice in node.children:
            child = node.children[choice]
            inner = [n for n in child.slices.values() if n.min] if child.slices else []
            # A choice narrowed to one of its types by a slice that must be there is of that type.
            return inner if choice.endswith("[x]") and inner else [child, *inner]
    found = []
    for ref in node.types or ():
        for profile in ref.profiles:
            tree = library.tree(profile)
            if tree is not None:
                found += _children_of(tree, name, library)
    return found


def _is_for_extension(node: Node, url: str) -> bool:
    return any(url in ref.profiles for ref in node.types or ())


def _target_roots(node: Node, library: "Library") -> list[Node]:
    """The profiles a reference's target must meet, as trees; a bare type is a tree that only has a type."""
    found = []
    for ref in node.types or ():
        for profile in ref.targets:
            tree = library.tree(profile)
            if tree is not None:
                made = tree.copy()
                made.name = profile
                found.append(made)
            else:
                name = profile.rpartition("/")[2]
                found.append(Node(name, (name,)))
    return found


def _exists_test(nodes: list[Node]) -> Test | None:
    if any(node.max == 0 for node in nodes):
        return lambda found, _run: not found
    if any(node.min for node in nodes):
        return lambda found, _run: bool(found)
    return None


def _type_test(nodes: list[Node], steps: list[str]) -> Test | None:
    names: set[str] = set()
    for node in nodes:
        if steps and steps[-1].startswith("resolve"):
            names |= set(node.base)
        else:
            names |= {ref.code for ref in node.types or ()} or set(node.base)
    if not names or "Resource" in names:
        return None
    return lambda found, _run: any(item.type in names or item.type.rpartition(".")[2] in names for item in found)


def _profile_test(nodes: list[Node], steps: list[str], library: "Library") -> Test | None:
    if steps and steps[-1].startswith("resolve"):
        profiles = [node.name for node in nodes if ":" in node.name]
    else:
        profiles = [p for node in nodes for ref in node.types or () for p in ref.profiles]
    if not profiles:
        return None

    def test(found: list[Item], run: Run) -> bool:
        return any(library.meets(item, profile, run) for item in found for profile in profiles)

    return test


def _value_test(nodes: list[Node], patterns: list[Any], library: "Library") -> Test | None:
    fixed = [node.fixed[1] for node in nodes if node.fixed]
    wanted = [p for p in patterns if not any(p is f for f in fixed)]
    bindings = [node.binding[1] for node in nodes if node.binding and node.binding[0] == "required"]
    if not fixed and not wanted:
        if bindings:
            return _binding_test(bindings, library)
        return _exists_test(nodes)

    def test(found: list[Item], _run: Run) -> bool:
        return all(any(is_fixed(item.value, one) for item in found) for one in fixed) and all(
            any(matches(item.value, one) for item in found) for one in wanted
        )

    return test


def _binding_test(bindings: list[str], library: "Library") -> Test:
    def test(found: list[Item], _run: Run) -> bool:
        return any(library.codes.holds(url, item.value, item.type) is not False for url in bindings for item in found)

    return test
