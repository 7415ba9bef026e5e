"""What profiles ask by extensions of an element's definition: a value where extensions would do, and of narratives.

Source: R5 ElementDefinition.mustHaveValue and valueAlternatives, as extensions for R4; HL7's narrative controls,
elementdefinition-maxValueSet and additional-binding.
"""

from collections.abc import Callable

from kiungo.fhir.profiles.codes import codings_of
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.languages import LANGUAGE, SOURCE, language_check, source_check
from kiungo.fhir.profiles.nodes import ONE_OF, Demand
from kiungo.fhir.profiles.run import Run

Check = Callable[[Item, Run], None]
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition."
MUST_HAVE_VALUE = _R5 + "mustHaveValue"
VALUE_ALTERNATIVES = _R5 + "valueAlternatives"


def demand_checks(demands: tuple[Demand, ...], source: str) -> list[Check]:
    """The checks of the extensions that are known; others say nothing that can be judged."""
    found: list[Check] = []
    alternatives = frozenset(str(value) for url, value in demands if url == VALUE_ALTERNATIVES)
    if alternatives:
        found.append(_value_check(alternatives, source))
    for url, value in demands:
        if url == MUST_HAVE_VALUE and value is True:
            found.append(_value_check(frozenset(), source))
        elif url == ONE_OF:
            found.append(_codes_check(str(value), source))
        elif url == LANGUAGE:
            found.append(language_check(str(value), source))
        elif url == SOURCE:
            found.append(source_check(source))
    return found


def _codes_check(value_set: str, source: str) -> Check:
    """Codes are of a value set, where there are any: a text alone is not outside of it."""

    def check(item: Item, run: Run) -> None:
        if codings_of(item.value, item.type):
            run.library.codes.check(item, run, "required", value_set, source)

    return check


def _value_check(alternatives: frozenset[str], source: str) -> Check:
    """A primitive has a value, or one of the extensions that may stand for it."""

    def check(item: Item, run: Run) -> None:
        if item.value is not None or item.sibling.__class__ is not dict:
            return
        held = item.sibling.get("extension")
        urls = {one.get("url") for one in held if one.__class__ is dict} if held.__class__ is list else set()
        if not urls & alternatives:
            also = f" or the extension {', '.join(sorted(alternatives))}" if alternatives else ""
            run.error("invalid", item.at, f"needs a value{also} by {source}", source)

    return check
