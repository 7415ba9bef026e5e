"""Index rows of a resource, by generated straight-line Python source: one function for each resource type.

The paths of all parameters of a type are merged into one tree, so that each element is looked at once.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.indexing import emit
from kiungo.fhir.indexing.composites import Component
from kiungo.fhir.indexing.expressions import NotUnderstood, Path, Step, parse
from kiungo.fhir.indexing.parameters import (
    Parameter,
    compartment_keys,
    parameters_of,
    person_parameter,
    sort_parameter,
)
from kiungo.fhir.indexing.values import target_of

Move = tuple[str, ...]
_lock = threading.Lock()


@dataclass(slots=True)
class Rows:
    """What is written into the index for one resource, without tenant and row id.

    Shapes: token (key, hash, system), reference (key, target), date (wide key, low, high),
    number (wide key, low, high, system, unit), string (key, text, spelling), uri (key, text),
    compartment (key, patient's target, hash, system), composite as in `combinations`,
    position (key, latitude, point on the sphere), word (key, word). Units: `sort_ms` and dates in milliseconds.
    """

    token: set[tuple[int, int, int]] = field(default_factory=set)
    reference: set[tuple[int, int]] = field(default_factory=set)
    date: set[tuple[int, int, int]] = field(default_factory=set)
    number: set[tuple[int, float, float, int, int]] = field(default_factory=set)
    string: set[tuple[int, str, int]] = field(default_factory=set)
    uri: set[tuple[int, str]] = field(default_factory=set)
    compartment: set[tuple[int, int, int, int]] = field(default_factory=set)
    composite: set[tuple[Any, ...]] = field(default_factory=set)
    position: set[tuple[int, float, float, float, float]] = field(default_factory=set)
    word: set[tuple[int, str]] = field(default_factory=set)
    sort_ms: int = 0
    person: str | None = None


def extract(resource: dict[str, Any]) -> Rows:
    """All index rows of a structurally valid resource."""
    name = resource["resourceType"]
    plan = _plans.get(name) or _compile(name)
    rows = Rows()
    rows.person = plan.function(
        *(resource, rows.token.add, rows.reference.add, rows.date.add, rows.number.add, rows.string.add, rows.uri.add),
        *(rows.composite.add, rows.position.add),
    )
    if plan.sort_key:
        narrow, wide = plan.sort_key * 2, plan.sort_key * 2 + 1
        rows.sort_ms = max((low for key, low, _ in rows.date if key in (narrow, wide)), default=emit.NO_DATE)
    if rows.person and plan.compartment:
        target = target_of("Patient", rows.person)
        rows.compartment = {(k, target, h, s) for k, h, s in rows.token if k in plan.compartment}
    return rows


@dataclass(frozen=True, slots=True)
class _Plan:
    function: Callable[..., str | None]
    sort_key: int
    compartment: frozenset[int]


@dataclass(slots=True)
class _Node:
    type: str
    emissions: list[tuple[Parameter, str | None]] = field(default_factory=list)
    children: dict[Move, "_Node"] = field(default_factory=dict)


def source(type_name: str) -> str:
    """The Python source that extracts one resource type, and the parts of its composites. Raises: NotUnderstood."""
    known = parameters_of(type_name).values()
    person = person_parameter(type_name)
    person_keys = frozenset(s.key for s in person.sources) if person else frozenset[int]()
    root = _tree(type_name, [(parameter, path) for parameter in known for path in parameter.paths])
    names = "v0, token, reference, date, number, string, uri"
    lines = [f"def extract_{type_name}({names}, composite, position):", "    p = None"]
    lines += _node_lines(root, 0, "    ", person_keys)
    lines.append("    return p")
    for parameter in known:
        for n, component in enumerate(parameter.components if parameter.paths else ()):
            lines += ["", "", f"def part_{parameter.key}_{n}({names}):", *_part_lines(parameter, component)]
    return "\n".join(lines)


def _tree(type_name: str, wanted: list[tuple[Parameter, Path]]) -> _Node:
    """The paths of parameters as one tree, so that each element is looked at once."""
    root = _Node(type_name)
    for parameter, path in wanted:
        for moves, final in ways(type_name, path):
            node = root
            for move in moves:
                node = node.children.setdefault(move, _Node(move[2] if move[0] == "key" else node.type))
            node.type = final
            node.emissions.append((parameter, path.not_equal_to))
    return root


def _part_lines(parameter: Parameter, component: Component) -> list[str]:
    """The body of the function that finds one part of a composite from the composite's base."""
    return _node_lines(_part_tree(parameter, component), 0, "    ", frozenset()) or ["    pass"]


def _part_tree(parameter: Parameter, component: Component) -> _Node:
    base = parameter.type if component.from_resource else _type_at(parameter.type, parameter.paths[0])
    if component.from_resource:
        paths = parse(component.expression)
    else:
        # The root of a path is a name; here it stands for the base itself.
        paths = parse(" | ".join(f"{parameter.type}.{p.strip()}" for p in component.expression.split("|")))
    alone = Parameter(base, parameter.code, component.kind, 0, "", (), "", paths, ())
    return _tree(base, [(alone, path) for path in paths])


def _guarded(parameter: Parameter, v: str, lines: list[str]) -> list[str]:
    """The lines of a composite, run only where the element has the value it ends with: most lack most of them."""
    last = parameter.components[-1]
    moves = list(_part_tree(parameter, last).children)
    if last.from_resource or not moves or any(move[0] != "key" for move in moves):
        return lines
    tests = " or ".join(f"{move[1]!r} in {v}" for move in moves)
    return [f"if {tests}:", *(f"    {line}" for line in lines)]


def _type_at(type_name: str, path: Path) -> str:
    return ways(type_name, path)[0][1]


def _compile(type_name: str) -> _Plan:
    with _lock:
        if type_name not in _plans:
            functions = dict(emit.NAMES)
            # The source is made from R4's definitions only, never from what a caller sent.
            exec(compile(source(type_name), f"<extractor of {type_name}>", "exec"), functions)  # noqa: S102
            sort = sort_parameter(type_name)
            _plans[type_name] = _Plan(
                functions[f"extract_{type_name}"], sort.key if sort else 0, compartment_keys(type_name)
            )
        return _plans[type_name]


_plans: dict[str, _Plan] = {}


@cache
def holds_addresses(parameter: Parameter) -> bool:
    """Whether all elements of a parameter are canonicals, which name another resource by its URL, not its id."""
    leaves = {leaf for path in parameter.paths for _, leaf in ways(parameter.type, path)}
    return bool(leaves) and leaves <= {"canonical", "uri", "url"}


def ways(type_name: str, path: Path) -> list[tuple[tuple[Move, ...], str]]:
    """Every way a path can be written in JSON: a choice without `as` is written in several ways."""
    ways: list[tuple[tuple[Move, ...], str]] = [((), type_name)]
    steps = list(path.steps)
    if steps and steps[-1].kind == "extension":
        steps.append(Step("child", "value"))
    for position, step in enumerate(steps):
        wanted = steps[position + 1].name if position + 1 < len(steps) and steps[position + 1].kind == "as" else None
        found: list[tuple[tuple[Move, ...], str]] = []
        for moves, current in ways:
            if step.kind == "child":
                found += [((*moves, m), m[2]) for m in _child_moves(current, step.name, wanted)]
            elif step.kind == "as":
                if current == step.name:
                    found.append((moves, current))
            elif step.kind == "extension":
                found.append(((*moves, ("extension", step.name)), "Extension"))
            else:
                found.append(((*moves, (step.kind, step.name, step.value)), current))
        ways = found
    return ways


def _child_moves(type_name: str, name: str, wanted: str | None) -> list[Move]:
    if type_name == "Resource":
        return []
    for element in definitions.get_type(type_name).elements:
        if element.name in (name, name + "[x]"):
            many = "list" if element.is_list else "one"
            system = _only_system(element.value_set)
            return [
                ("key", written, kind, many, system)
                for written, kind in element.written()
                if wanted is None or kind == wanted
            ]
    raise NotUnderstood(f"{type_name} has no {name}")


def _only_system(value_set: str | None) -> str:
    """The code system of a bound code, where its value set has only one."""
    codes = definitions.value_set_codes(value_set) if value_set else None
    return next(iter(codes)) if codes and len(codes) == 1 else ""


def _node_lines(node: _Node, depth: int, indent: str, person_keys: frozenset[int], system: str = "") -> list[str]:
    lines = []
    here = f"v{depth}"
    for parameter, not_equal_to in node.emissions:
        if not_equal_to is not None:
            continue  # a boolean test also says something when the element is missing: see below
        made = emit.lines(parameter, node.type, here, system, person=parameter.key in person_keys)
        if parameter.kind == "composite":
            made = _guarded(parameter, here, made)
        lines += [indent + line for line in made]
    tests: dict[int, str] = {}
    for move, child in node.children.items():
        lines += _move_lines(move, child, depth, indent, person_keys)
        for parameter, not_equal_to in child.emissions:
            if not_equal_to is not None:
                tests[parameter.key] = tests.get(parameter.key, "") + f" or {here}.get({move[1]!r}, False) is not False"
    for key, test in tests.items():
        lines.append(f"{indent}token(({key}, TRUE if {test[4:]} else FALSE, 0))")
    return lines


def _move_lines(move: Move, child: _Node, depth: int, indent: str, person_keys: frozenset[int]) -> list[str]:
    here, there = f"v{depth}", f"v{depth + 1}"
    if move[0] == "key":
        inner = indent + "    "
        lines = [f"{indent}{there} = {here}.get({move[1]!r})", f"{indent}if {there} is not None:"]
        if move[3] == "list":
            lines.append(f"{inner}for {there} in {there}:")
            inner += "    "
            if definitions.get_type(move[2]).is_primitive:
                lines.append(f"{inner}if {there} is None: continue")
        body = _node_lines(child, depth + 1, inner, person_keys, move[4])
        return lines + body if body else []
    if move[0] == "index":
        # R4 uses it once, for the first entry of a list the step before has just opened.
        return [*_node_lines(child, depth, indent, person_keys), f"{indent}break"]
    inner = indent + "    "
    if move[0] == "extension":
        lines = [
            f"{indent}for {there} in {here}.get('extension') or ():",
            f"{inner}if {there}.get('url') == {move[1]!r}:",
        ]
        return lines + _node_lines(child, depth + 1, inner + "    ", person_keys)
    tests = {
        "equals": f"{here}.get({move[1]!r}) == {move[2]!r}",
        "resolves": f"reference_is({here}, {move[1]!r})",
        "has_extension": f"has_extension({here}, {move[1]!r})",
    }
    lines = [f"{indent}if {tests[move[0]]}:", f"{inner}{there} = {here}"]
    return lines + _node_lines(child, depth + 1, inner, person_keys)
