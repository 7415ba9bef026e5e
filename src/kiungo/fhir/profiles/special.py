"""Rules of single types that no invariant states: Bundles, narrative, attachments, forms and answers."""

from collections.abc import Callable
from typing import Any

from kiungo.fhir.profiles.attachments import check_attachment
from kiungo.fhir.profiles.bundles import check_bundle
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.narrative import check_narrative
from kiungo.fhir.profiles.questionnaires.forms import check_form
from kiungo.fhir.profiles.questionnaires.responses import check_response
from kiungo.fhir.profiles.run import Run

Special = Callable[[Json, At, Run], None]
SPECIAL: dict[str, Special] = {
    "Attachment": check_attachment,
    "Bundle": check_bundle,
    "Narrative": check_narrative,
    "Questionnaire": check_form,
    "QuestionnaireResponse": check_response,
}
SPECIAL_PRIMITIVES: dict[str, Callable[[Any, At, Run], None]] = {}
