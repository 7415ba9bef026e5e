"""What is wrong with the profiles of a package, so that whoever installs it knows: profiles wider than their base."""

from collections.abc import Iterable
from typing import Any

from kiungo.fhir.profiles.conformance import BaseSource, GivenSource, Layers, Source
from kiungo.fhir.profiles.findings import errors_of, root_at
from kiungo.fhir.profiles.library import Library
from kiungo.fhir.profiles.membership import LocalTerminology
from kiungo.fhir.profiles.narrowing import check_narrowing
from kiungo.fhir.profiles.resources import own_scope
from kiungo.fhir.profiles.run import Run

FAULTS_MAX = 200
Json = dict[str, Any]


def faults(resources: Iterable[Json], others: Source) -> list[str]:
    """Where profiles of a package take back what their bases demand, as sentences; `others` has what it stands on."""
    listed = list(resources)
    source = Layers(GivenSource(listed), others, BaseSource())
    library = Library(source, LocalTerminology(source))
    found: list[str] = []
    for structure in listed:
        if structure.get("resourceType") != "StructureDefinition" or len(found) >= FAULTS_MAX:
            continue
        at = root_at("StructureDefinition")
        run = Run(library, own_scope(structure, at))
        check_narrowing(structure, at, run)
        found += [f"{structure.get('url')}: {one.message}" for one in errors_of(run.findings)]
    return found[:FAULTS_MAX]
