"""Rules of single types that no invariant states: Bundles, narrative, attachments, forms and answers."""

from collections.abc import Callable
from typing import Any

from kiungo.fhir.profiles.attachments import check_attachment
from kiungo.fhir.profiles.bundles import check_bundle
from kiungo.fhir.profiles.definitional import (
    check_canonical,
    check_capability,
    check_code_system,
    check_parameter,
    check_structure,
    check_value_set,
)
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.narrative import check_narrative
from kiungo.fhir.profiles.pointers import check_identifier, check_reference
from kiungo.fhir.profiles.questionnaires.forms import check_form
from kiungo.fhir.profiles.questionnaires.responses import check_response
from kiungo.fhir.profiles.run import Run
from kiungo.fhir.profiles.vitals import check_vital_sign


def check_coding(o: Json, at: At, run: Run) -> None:
    """The code, or a quantity's unit, is one of its system's."""
    run.library.codes.check_coding(o, at, run)


Special = Callable[[Json, At, Run], None]
SPECIAL: dict[str, Special] = {
    "Attachment": check_attachment,
    "Identifier": check_identifier,
    "Reference": check_reference,
    "Bundle": check_bundle,
    "Coding": check_coding,
    "CodeSystem": check_code_system,
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "Quantity"), check_coding),
    "Observation": check_vital_sign,
    "CapabilityStatement": check_capability,
    "SearchParameter": check_parameter,
    "StructureDefinition": check_structure,
    "ValueSet": check_value_set,
    "Narrative": check_narrative,
    "Questionnaire": check_form,
    "QuestionnaireResponse": check_response,
}
SPECIAL_PRIMITIVES: dict[str, Callable[[Any, At, Run], None]] = {"canonical": check_canonical}
