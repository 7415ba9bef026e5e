"""The submission form of the provider guide."""

from collections.abc import Mapping
from typing import Any

from kiungo.base.errors import KiungoError
from kiungo.console.forms import filled
from kiungo.console.payor.codes import listed_codes
from kiungo.console.rendering import go_to
from kiungo.console.visit import Visit
from kiungo.domains.payor.errors import suggestions_of
from kiungo.domains.payor.service import Answer, Payor
from kiungo.kernel import json
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response

TEXTS = (
    "patient_name",
    "insurance_id",
    "diagnosis_code",
    "procedure_code",
    "amount",
    "date_of_service",
    "priority",
    "patient_id",
    "patient_dob",
    "patient_gender",
    "provider_id",
    "provider_name",
    "referring_physician",
    "provider_claim_id",
    "prior_authorization",
    "booking_no",
    "diagnosis_description",
    "procedure_description",
    "notes",
)
# The fields always in sight; a problem in any other opens the rest of the form.
IN_SIGHT = frozenset(TEXTS[:7])
PRIORITIES = (("low", "Low"), ("medium", "Medium"), ("high", "High"), ("urgent", "Urgent"))


async def show_form(payor: Payor, visit: Visit) -> Response:
    """The empty form."""
    return await _form(payor, visit, {}, None)


async def submit(payor: Payor, visit: Visit) -> Response:
    """Send the form's claim in, and go to it; what is wrong is said beside its field."""
    form = visit.form()
    claim: dict[str, Any] = filled(form, *TEXTS)
    if form.get("emergency"):
        claim["emergency"] = True
    try:
        sent = await payor.prepare(visit.call, json.dumps(claim))

        def write(unit: Unit) -> Answer:
            return payor.submit(unit, visit.call, sent)

        answer = await payor.database.write_async(write)
    except KiungoError as error:
        if error.http_status >= 500:
            raise
        return await _form(payor, visit, form, error)
    done = "submitted" if answer.status == 201 else "repeated"
    return go_to(f"/console/claims/{answer.claim_id}?done={done}")


async def _form(payor: Payor, visit: Visit, values: Mapping[str, str], error: KiungoError | None) -> Response:
    codes = await payor.database.read_async(lambda unit: listed_codes(payor, unit, visit.call))
    wrong = problems_of(error)
    context = {
        "values": values,
        "wrong": wrong,
        "problem": {"message": error.message, "suggestions": suggestions_of(error)} if error else None,
        "open_more": bool(wrong.keys() - IN_SIGHT) or any(values.get(name) for name in TEXTS[7:]),
        "priorities": PRIORITIES,
        "provider": visit.owner,
        "diagnoses": codes["diagnosis"],
        "procedures": codes["procedure"],
    }
    return visit.page("claim_new.html", context, error.http_status if error else 200)


def problems_of(error: KiungoError | None) -> dict[str, str]:
    """What is wrong with each field."""
    if error is None:
        return {}
    if error.details:
        return {detail.field: detail.message for detail in error.details}
    return {error.field: error.hint or error.message} if error.field else {}
