"""`python -m benchmarks.fhir.fhirpath`: microseconds of compiling an expression and of asking common invariants.

CPU time of one process; the expressions are R4's own or of their kind, on a blood pressure with two components.
"""

import time
from typing import Any

from kiungo.fhir.fhirpath import compile, evaluation
from kiungo.fhir.fhirpath.compiler import compiled
from kiungo.fhir.fhirpath.parser import parse

REPEATS = 5_000


def _component(code: str, value: int) -> dict[str, Any]:
    quantity = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": quantity}


CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2024-01-01T10:00:00Z",
    "component": [_component("8480-6", 120), _component("8462-4", 80)],
}
INVARIANTS = {
    "obs-6": "dataAbsentReason.empty() or value.empty()",
    "obs-7": "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()",
    "vs-2": "(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or value.exists())",
    "ext-1": "extension.exists() != value.exists()",
    "dom-2": "contained.contained.empty()",
    "dom-4": "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()",
    "dom-6": "text.`div`.exists()",
    "where": f"category.coding.where(system = '{CATEGORY}' and code = 'vital-signs').exists()",
    "units": "component.value.ofType(Quantity).all($this < 1 'bar')",
    "tree": "descendants().count() < 100",
}


def invariant_us(text: str) -> float:
    """CPU microseconds of one answer."""
    expression = compile(text)
    run = evaluation(OBSERVATION)
    focus = run.resource
    assert focus is not None
    started_s = time.process_time()
    for _ in range(REPEATS):
        run.steps = 0
        expression.is_true(run, focus)
    return (time.process_time() - started_s) / REPEATS * 1e6


def compile_us(text: str) -> float:
    """CPU microseconds of parsing and compiling, without the cache."""
    started_s = time.process_time()
    for _ in range(REPEATS // 10):
        compiled(parse(text))
    return (time.process_time() - started_s) / (REPEATS // 10) * 1e6


def main() -> None:
    """Print a table."""
    print(f"{'invariant':<10} {'compile us':>10} {'answer us':>10}")
    for name, text in INVARIANTS.items():
        print(f"{name:<10} {compile_us(text):>10.0f} {invariant_us(text):>10.2f}")


if __name__ == "__main__":
    main()
