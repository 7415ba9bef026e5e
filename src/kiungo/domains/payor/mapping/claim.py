"""A claim as stated, as a FHIR Claim and back: `from_fhir(to_fhir(x)) == x`."""

from typing import Any

from kiungo.base.time import iso_in
from kiungo.domains.payor.mapping import terms
from kiungo.domains.payor.mapping.terms import money, read_money
from kiungo.domains.payor.model import Claim, Line
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.rules.codes import procedure_system
from kiungo.fhir.pieces import Resource, code_in, coded, identified, identifier, reference

# What the guide's fields say that R4 has no element for, kept as supporting information.
_STATED_TEXTS = (
    "patient_name", "patient_id", "patient_birth_date", "patient_gender", "provider_name", "notes",
    "diagnosis_description",
)  # fmt: skip


def to_fhir(case: Case, *, id: str, claim_id: str, submitted_us: int) -> Resource:
    """The FHIR Claim of a submitted claim. Shapes: `id` is the resource's own id."""
    claim, plan = case.claim, case.book.plan
    days = sorted(line.service_date for line in claim.lines)
    resource: Resource = {
        "resourceType": "Claim",
        "id": id,
        "identifier": _identifiers(claim, claim_id),
        "status": "active",
        "type": terms.CLAIM_TYPE,
        "use": "claim",
        "patient": {
            **reference("Patient", case.member.fhir_id),
            "identifier": identifier(terms.INSURANCE_ID, claim.member_id),
        },
        "billablePeriod": {"start": days[0], "end": days[-1]},
        "created": iso_in(plan.time_zone, submitted_us),
        "insurer": {"identifier": identifier(terms.PAYOR_ID, plan.payor_id)},
        "provider": terms.provider_reference(
            claim.provider_id, claim.provider_name, case.provider.fhir_id if case.provider else None
        ),
        "priority": coded(terms.PRIORITY, claim.priority),
    }
    if claim.replaces:
        resource["related"] = [
            {
                "claim": {"identifier": identifier(terms.CLAIM_ID, claim.replaces)},
                "relationship": coded("http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "prior"),
            }
        ]
    if claim.referring_physician:
        resource["careTeam"] = [{"sequence": 1, "provider": {"display": claim.referring_physician}}]
    stated = _supporting(claim)
    if stated:
        resource["supportingInfo"] = stated
    system = terms.DIAGNOSIS_SYSTEMS[plan.diagnosis_system]
    resource["diagnosis"] = [
        {"sequence": index, "diagnosisCodeableConcept": coded(system, code)}
        for index, code in enumerate(claim.diagnoses, 1)
    ]
    insurance: Resource = {
        "sequence": 1,
        "focal": True,
        "coverage": reference("Coverage", case.coverage.fhir_id),
    }
    if claim.prior_authorization:
        insurance["preAuthRef"] = [claim.prior_authorization]
    resource["insurance"] = [insurance]
    resource["item"] = [_item(case, line) for line in claim.lines]
    resource["total"] = money(claim.total)
    return resource


def _identifiers(claim: Claim, claim_id: str) -> list[Resource]:
    found = [identifier(terms.CLAIM_ID, claim_id)]
    if claim.provider_claim_id:
        found.append(identifier(terms.PROVIDER_CLAIM_ID, claim.provider_claim_id))
    if claim.booking_no:
        found.append(identifier(terms.BOOKING_NO, claim.booking_no))
    return found


def _supporting(claim: Claim) -> list[Resource]:
    found: list[Resource] = []

    def add(code: str, **value: str | bool) -> None:
        found.append({"sequence": len(found) + 1, "category": coded(terms.STATED, code), **value})

    for name in _STATED_TEXTS:
        text: str | None = getattr(claim, name)
        if text:
            add(name, valueString=text)
    for name in claim.ignored_fields:
        add("ignored_field", valueString=name)
    if claim.emergency:
        add("emergency", valueBoolean=True)
    if claim.itemized:
        add("itemized", valueBoolean=True)
    return found


def _item(case: Case, line: Line) -> Resource:
    if line.procedure is None:
        service = coded(terms.DATA_ABSENT, "unknown", line.description)
    else:
        shape = procedure_system(case.book.plan, line.procedure) or case.book.plan.procedure_systems[0]
        service = coded(terms.PROCEDURE_SYSTEMS[shape], line.procedure, line.description)
    item: Resource = {"sequence": line.number, "productOrService": service}
    if line.prior_paid is not None:
        item["extension"] = [{"url": terms.PRIOR_PAID, "valueMoney": money(line.prior_paid)}]
    if line.modifiers:
        item["modifier"] = [coded(terms.MODIFIER, code) for code in line.modifiers]
    item["servicedDate"] = line.service_date
    item["quantity"] = {"value": line.units}
    item["net"] = money(line.charge)
    return item


def from_fhir(resource: Resource) -> Claim:
    """The claim a FHIR Claim was made of; the plan's code systems are not needed to read it back."""
    stated: dict[str, Any] = {"ignored_field": []}
    for info in resource.get("supportingInfo", ()):
        name = code_in(info["category"], terms.STATED)
        if name == "ignored_field":
            stated[name].append(info["valueString"])
        elif name is not None:
            stated[name] = info.get("valueString", info.get("valueBoolean"))
    insurance = resource["insurance"][0]
    related = resource.get("related")
    team = resource.get("careTeam")
    return Claim(
        member_id=resource["patient"]["identifier"]["value"],
        patient_name=stated["patient_name"],
        provider_id=resource["provider"]["identifier"]["value"],
        received_on=resource["created"][:10],  # written in the plan's time zone
        diagnoses=tuple(
            entry["diagnosisCodeableConcept"]["coding"][0]["code"] for entry in resource.get("diagnosis", ())
        ),
        lines=tuple(_line(item) for item in resource["item"]),
        total=read_money(resource["total"]),
        priority=code_in(resource["priority"], terms.PRIORITY) or "medium",  # type: ignore[arg-type]
        emergency=stated.get("emergency", False),
        diagnosis_description=stated.get("diagnosis_description"),
        provider_name=stated.get("provider_name"),
        provider_claim_id=identified(resource, terms.PROVIDER_CLAIM_ID),
        booking_no=identified(resource, terms.BOOKING_NO),
        prior_authorization=insurance["preAuthRef"][0] if "preAuthRef" in insurance else None,
        referring_physician=team[0]["provider"]["display"] if team else None,
        patient_id=stated.get("patient_id"),
        patient_birth_date=stated.get("patient_birth_date"),
        patient_gender=stated.get("patient_gender"),
        notes=stated.get("notes"),
        replaces=related[0]["claim"]["identifier"]["value"] if related else None,
        itemized=stated.get("itemized", False),
        ignored_fields=tuple(stated["ignored_field"]),
    )


def _line(item: Resource) -> Line:
    service = item["productOrService"]
    coding = service["coding"][0]
    prior = next((e["valueMoney"] for e in item.get("extension", ()) if e["url"] == terms.PRIOR_PAID), None)
    return Line(
        number=item["sequence"],
        service_date=item["servicedDate"],
        procedure=None if coding["system"] == terms.DATA_ABSENT else coding["code"],
        charge=read_money(item["net"]),
        units=int(item["quantity"]["value"]),
        modifiers=tuple(concept["coding"][0]["code"] for concept in item.get("modifier", ())),
        prior_paid=read_money(prior) if prior else None,
        description=service.get("text"),
    )
