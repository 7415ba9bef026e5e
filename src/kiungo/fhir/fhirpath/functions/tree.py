"""Tree navigation: children, descendants.

Source: FHIRPath N1, 5.8.
"""

from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, function
from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.tree import add_all_children, add_descendants
from kiungo.fhir.fhirpath.values import Collection


@function("children")
def _children(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        found: Collection = []
        for item in items:
            add_all_children(item, found)
        run.spend(len(items) + len(found))
        return found

    return step


@function("descendants")
def _descendants(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        found: Collection = []
        add_descendants(items, found, run.spend)
        return found

    return step
