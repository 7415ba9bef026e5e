"""Rules of single types that no invariant states: Bundle entries, narrative, attachments."""

from collections.abc import Callable
from typing import Any

from kiungo.fhir.profiles.attachments import check_attachment
from kiungo.fhir.profiles.bundles import check_bundle
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.narrative import check_narrative
from kiungo.fhir.profiles.run import Run

Special = Callable[[Json, At, Run], None]
SPECIAL: dict[str, Special] = {
    "Attachment": check_attachment,
    "Bundle": check_bundle,
    "Narrative": check_narrative,
}
SPECIAL_PRIMITIVES: dict[str, Callable[[Any, At, Run], None]] = {}
