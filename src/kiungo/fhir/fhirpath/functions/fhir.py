"""What FHIR adds: extension, hasValue, getValue, resolve, memberOf, conformsTo, subsumes, checkModifiers, htmlChecks.

Source: FHIR R4 2.9.1.3 (additional functions).
"""

from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.arguments import text_argument
from kiungo.fhir.fhirpath.functions.registry import MANY, Arguments, Step, TruthStep, condition, function
from kiungo.fhir.fhirpath.references import resolved
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.tree import add_children
from kiungo.fhir.fhirpath.values import Collection, Node, unwrap
from kiungo.fhir.fhirpath.xhtml import is_safe_narrative


@function("extension", 1)
def _extension(arguments: Arguments) -> Step:
    url = text_argument(arguments[0], "extension")

    return lambda run, items, this: _extensions(run, items, url(run, this))


def _extensions(run: Run, items: Collection, url: str | None) -> Collection:
    found: Collection = []
    for item in items if url is not None else ():
        add_children(item, "extension", found)
    run.spend(len(items) + len(found))
    return [
        one for one in found if isinstance(one, Node) and isinstance(one.value, dict) and one.value.get("url") == url
    ]


@condition("hasExtension", 1)
def _has_extension(arguments: Arguments) -> TruthStep:
    url = text_argument(arguments[0], "hasExtension")
    return lambda run, items, this: bool(_extensions(run, items, url(run, this)))


@condition("hasValue")
def _has_value(arguments: Arguments) -> TruthStep:
    def step(run: Run, items: Collection, this: Collection) -> bool:
        if len(items) != 1:
            return False
        item = items[0]
        return not isinstance(item, Node) or (item.type.is_primitive and item.value is not None)

    return step


@function("getValue")
def _get_value(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        if len(items) != 1:
            return []
        value = unwrap(items[0])
        return [] if isinstance(value, Node) else [value]

    return step


@function("pathname", 0, 1)
def _pathname(arguments: Arguments) -> Step:
    short = arguments[0].truth if arguments else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        brief = short is not None and short(run, this) is True
        return [item.path if brief else item.indexed_path for item in items if isinstance(item, Node)]

    return step


@function("resolve")
def _resolve(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        found: Collection = []
        for item in items:
            node = resolved(run, item)
            if node is not None:
                found.append(node)
        run.spend(len(items))
        return found

    return step


@condition("memberOf", 1)
def _member_of(arguments: Arguments) -> TruthStep:
    value_set = text_argument(arguments[0], "memberOf")

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        item = singleton(items, "memberOf()")
        url = value_set(run, this)
        if item is None or url is None:
            return None
        asked = item if isinstance(item, Node) else unwrap(item)
        if not isinstance(asked, Node | str):
            raise failed("memberOf() takes a code, Coding or CodeableConcept")
        return run.host.member_of(asked, url)

    return step


@condition("conformsTo", 1)
def _conforms_to(arguments: Arguments) -> TruthStep:
    profile = text_argument(arguments[0], "conformsTo")

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        item = singleton(items, "conformsTo()")
        url = profile(run, this)
        if item is None or url is None:
            return None
        if not isinstance(item, Node):
            return False
        answer = run.host.conforms_to(item, url)
        if answer is None:
            raise failed(f"The profile {url} is not known here", hint="Install the package that defines it")
        return answer

    return step


@function("checkModifiers", 0, MANY)
def _check_modifiers(arguments: Arguments) -> Step:
    known = [text_argument(argument, "checkModifiers") for argument in arguments]

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        allowed = {one(run, this) for one in known}
        found: Collection = []
        for item in items:
            add_children(item, "modifierExtension", found)
        for one in found:
            if isinstance(one, Node) and isinstance(one.value, dict) and one.value.get("url") not in allowed:
                raise failed(f"{one.path} changes the meaning in a way that is not known here")
        return items

    return step


def _subsumption(arguments: Arguments, name: str, *, input_is_general: bool) -> TruthStep:
    other = arguments[0]

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        item = singleton(items, f"{name}()")
        code = singleton(other.items(run, this), f"{name}()")
        if item is None or code is None:
            return None
        if not isinstance(item, Node) or not isinstance(code, Node):
            raise failed(f"{name}() takes a Coding or CodeableConcept on both sides")
        return run.host.subsumes(item, code) if input_is_general else run.host.subsumes(code, item)

    return step


@condition("subsumes", 1)
def _subsumes(arguments: Arguments) -> TruthStep:
    return _subsumption(arguments, "subsumes", input_is_general=True)


@condition("subsumedBy", 1)
def _subsumed_by(arguments: Arguments) -> TruthStep:
    return _subsumption(arguments, "subsumedBy", input_is_general=False)


def _html_checks(arguments: Arguments) -> TruthStep:
    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        item = singleton(items, "htmlChecks()")
        text = None if item is None else unwrap(item)
        return is_safe_narrative(text) if isinstance(text, str) else None

    return step


condition("htmlChecks")(_html_checks)
condition("htmlChecks1")(_html_checks)
condition("htmlChecks2")(_html_checks)
