"""From a StructureDefinition to its tree: from the snapshot when it has one, else from its base and differential.

So a profile without a snapshot gets what a snapshot would hold: the chain of bases is walked to the base type,
and each differential is laid over what was found so far.
"""

from collections.abc import Callable, Iterable

from kiungo.base.errors import Incorrect, define
from kiungo.fhir import definitions
from kiungo.fhir.definitions import Element
from kiungo.fhir.profiles.nodes import Json, Node, Slicing, TypeRef, apply

PROFILE_WRONG = define("PROFILE_WRONG", Incorrect, "A profile cannot be understood.", http=422)

BASES_MAX = 32
ELEMENTS_MAX = 5_000
Find = Callable[[str], Json | None]
"""Finds a StructureDefinition by its canonical address, or None."""
BY_TYPE = Slicing((("type", "$this"),), "open", False)
BY_URL = Slicing((("value", "url"),), "open", False)


def tree_of(structure: Json, find: Find, *, depth: int = 0) -> Node:
    """The tree of a profile. Raises: Incorrect PROFILE_WRONG when its base is missing or it names no element right."""
    url = str(structure.get("url"))
    if depth > BASES_MAX:
        raise Incorrect(PROFILE_WRONG, f"The bases of {url} never end at a base type", field="baseDefinition")
    elements = structure.get("snapshot", {}).get("element")
    if elements:
        root = _root(structure)
    else:
        elements = structure.get("differential", {}).get("element", [])
        root = _base(structure, find, depth)
    if len(elements) > ELEMENTS_MAX:
        raise Incorrect(PROFILE_WRONG, f"{url} has more than {ELEMENTS_MAX} elements", hint="Split the profile")
    lay(root, elements, url)
    return root


def _root(structure: Json) -> Node:
    name = str(structure.get("type")).removeprefix(_FHIR)
    return Node(name, (name,))


def _base(structure: Json, find: Find, depth: int) -> Node:
    base = str(structure.get("baseDefinition", ""))
    name = base.removeprefix(_FHIR)
    if structure.get("derivation") != "constraint" or definitions.find_type(name) is not None:
        return _root(structure)
    found = find(base)
    if found is None:
        raise Incorrect(
            PROFILE_WRONG,
            f"{structure.get('url')} stands on {base}, which is not installed",
            field="baseDefinition",
            hint="Install the package that defines it",
        )
    return tree_of(found, find, depth=depth + 1)


_FHIR = "http://hl7.org/fhir/StructureDefinition/"


def lay(root: Node, elements: Iterable[Json], url: str) -> None:
    """Lay a list of ElementDefinitions over a tree, each at the place its id or path names."""
    last: dict[str, Node] = {}
    for element in elements:
        path = str(element.get("path", ""))
        node = _by_id(root, element, url) if "id" in element else _by_path(root, element, last)
        before = node.min
        apply(node, element)
        if node.min and node.min != before:
            node.min_source = url
        last = {p: n for p, n in last.items() if not path.startswith(p + ".") or p == path}
        last[path] = node


def _by_id(root: Node, element: Json, url: str) -> Node:
    """The node of `Type.name:slice/slice.name`; made when it is new."""
    steps = str(element["id"]).split(".")
    names = str(element.get("path", "")).split(".")
    if len(names) != len(steps):
        names = [step.partition(":")[0] for step in steps]
    node = root
    for position, step in enumerate(steps[1:], start=1):
        _, _, slice_name = step.partition(":")
        node = child_of(node, names[position])
        if slice_name and node.slice_name != slice_name:
            node = slice_of(node, slice_name)
    if not steps or not steps[0]:
        raise Incorrect(PROFILE_WRONG, f"An element of {url} has no path", field="element.path")
    return node


def _by_path(root: Node, element: Json, last: dict[str, Node]) -> Node:
    """The same for elements without ids: a path means the slice of it that was named last."""
    path = str(element.get("path", ""))
    parent_path, _, name = path.rpartition(".")
    if not parent_path:
        return root
    parent = last.get(parent_path)
    if parent is None:
        parent = root
        for step in parent_path.split(".")[1:]:
            parent = child_of(parent, step)
    node = child_of(parent, name)
    slice_name = element.get("sliceName")
    if slice_name and node.slice_name != slice_name:
        node = slice_of(node, slice_name)
    return node


def child_of(node: Node, name: str) -> Node:
    """A child by name; `valueQuantity` is the slice of `value[x]` that has this type."""
    found = node.children.get(name)
    if found is not None:
        return found
    for type_name in node.type_names():
        definition = definitions.find_type(type_name)
        for element in definition.elements if definition else ():
            if element.name == name:
                return _new_child(node, name, element.types)
            if element.is_choice and name.startswith(element.name[:-3]):
                for written, chosen in element.written():
                    if written == name:
                        return _choice(node, element, name, chosen)
    return _new_child(node, name, ())


def _new_child(node: Node, name: str, types: tuple[str, ...]) -> Node:
    found = node.children[name] = Node(name, types)
    if name in {"extension", "modifierExtension"}:
        found.slicing = BY_URL
    return found


def _choice(node: Node, element: Element, name: str, type_name: str) -> Node:
    parent = node.children.get(element.name)
    if parent is None:
        parent = node.children[element.name] = Node(element.name, element.types)
    if parent.types is not None and [ref.code for ref in parent.types] == [type_name] and not parent.slices:
        return parent
    one = slice_of(parent, name)
    if one.types is None:
        one.types = (TypeRef(type_name),)
    return one


def slice_of(node: Node, slice_name: str) -> Node:
    """A slice by name; `a/b` is slice b within slice a."""
    outer, _, inner = slice_name.partition("/")
    if inner and outer in node.slices:
        return slice_of(node.slices[outer], inner)
    found = node.slices.get(slice_name)
    if found is None:
        found = node.slices[slice_name] = Node(node.name, node.base, slice_name)
        if node.name.endswith("[x]") and node.slicing is None:
            node.slicing = BY_TYPE
        if node.name.endswith("[x]") and slice_name.startswith(node.name[:-3]):
            wanted = [t for t in node.base if node.name[:-3] + t[0].upper() + t[1:] == slice_name]
            found.types = tuple(TypeRef(name) for name in wanted) or None
    return found
