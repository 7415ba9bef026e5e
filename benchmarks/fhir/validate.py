"""`python -m benchmarks.fhir.validate [US_CORE.tgz]`: Observations judged in a second of one core, parsed beforehand.

CPU time of one process, without a database. Base is R4's structure, invariants, references, codes and extensions;
a vital sign also meets the profile R4 has for its code. With US Core's package the same resource claims its profile.
"""

import sys
import time
from pathlib import Path
from typing import Any

from kiungo.fhir.packages.archive import read_package
from kiungo.fhir.profiles.conformance import BaseSource, GivenSource, Layers
from kiungo.fhir.profiles.library import Library
from kiungo.fhir.profiles.membership import LocalTerminology
from kiungo.fhir.profiles.validator import Validator
from kiungo.fhir.validation import find_problems
from kiungo.kernel.json import dumps, loads

REPEATS = 4_000
PASSES = 3
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def observation(category: str, code: str, unit: str, **more: Any) -> dict[str, Any]:
    """A synthetic result of about the size Synthea writes."""
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "A result"}], "text": "A result"},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "effectiveDateTime": "2024-05-01T10:00:00Z",
        "issued": "2024-05-01T10:00:00.000Z",
        "valueQuantity": {"value": 72, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        **more,
    }


def rate(judge: Any, resource: dict[str, Any]) -> float:
    """Resources a CPU second, the best of some passes."""
    parsed = loads(dumps(resource))
    judge(parsed)
    best = 0.0
    for _ in range(PASSES):
        started_s = time.process_time()
        for _ in range(REPEATS):
            judge(parsed)
        best = max(best, REPEATS / (time.process_time() - started_s))
    return best


def main(package: Path | None) -> None:
    """Print the figures."""
    known = GivenSource(read_package(package)[1]) if package else GivenSource()
    source = Layers(known, BaseSource())
    check = Validator(Library(source, LocalTerminology(source))).check
    lab, heart = observation("laboratory", "2093-3", "mg/dL"), observation("vital-signs", "8867-4", "/min")
    figures = {
        "structure only": rate(find_problems, lab),
        "base profile, laboratory": rate(check, lab),
        "base profile, vital sign": rate(check, heart),
    }
    if package:
        for name in ("us-core-heart-rate", "us-core-vital-signs"):
            figures[name] = rate(check, {**heart, "meta": {"profile": [US_CORE + name]}})
        laboratory = {**lab, "meta": {"profile": [US_CORE + "us-core-observation-lab"]}}
        figures["us-core-observation-lab"] = rate(check, laboratory)
    for name, value in figures.items():
        print(f"{name:<28} {value:>9,.0f} /s")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
