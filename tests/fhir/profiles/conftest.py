"""Profiles made in a few lines, and a validator that knows them."""

from collections.abc import Callable
from typing import Any

import pytest

from kiungo.fhir.profiles.conformance import BaseSource, GivenSource, Layers
from kiungo.fhir.profiles.library import Library
from kiungo.fhir.profiles.membership import LocalTerminology
from kiungo.fhir.profiles.validator import Validator

Json = dict[str, Any]
HERE = "http://example.org/fhir/StructureDefinition/"


def profile(type_name: str, *elements: Json, name: str = "test", base: str = "", **more: Any) -> Json:
    """A constraint on a type; each element is given by its id."""
    rows = [{"path": _path(one["id"]), **one} for one in ({"id": type_name}, *elements)]
    return {
        "resourceType": "StructureDefinition",
        "url": HERE + name,
        "name": name,
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": type_name,
        "baseDefinition": base or f"http://hl7.org/fhir/StructureDefinition/{type_name}",
        "derivation": "constraint",
        "differential": {"element": rows},
        **more,
    }


def _path(element_id: str) -> str:
    return ".".join(step.partition(":")[0] for step in element_id.split("."))


def slicing(*discriminators: tuple[str, str], rules: str = "open", ordered: bool = False) -> Json:
    """An element's slicing."""
    return {"discriminator": [{"type": k, "path": p} for k, p in discriminators], "rules": rules, "ordered": ordered}


def validator(*definitions: Json, others: tuple[Json, ...] = ()) -> Validator:
    """A validator that knows some definitions, and resources by reference."""
    source = Layers(GivenSource(definitions), BaseSource())
    by_reference = {f"{one['resourceType']}/{one['id']}": one for one in others}
    return Validator(Library(source, LocalTerminology(source)), by_reference.get)


Places = Callable[..., list[str]]


@pytest.fixture
def places() -> Places:
    """The places of the errors of a resource against the profile called test."""

    def found(resource: Json, *definitions: Json, others: tuple[Json, ...] = ()) -> list[str]:
        report = validator(*definitions, others=others).check(resource, [HERE + "test"])
        return [one.location for one in report.errors]

    return found


def patient(**more: Any) -> Json:
    """A synthetic patient without narrative."""
    return {"resourceType": "Patient", "name": [{"family": "Mwangi", "given": ["Amina"]}], **more}


def observation(**more: Any) -> Json:
    """A synthetic result."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2093-3"}]},
        **more,
    }
