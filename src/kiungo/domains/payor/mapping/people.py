"""Members, covers, plans and providers as Patient, Coverage, InsurancePlan and Organization."""

from kiungo.domains.payor.book import Plan, Provider
from kiungo.domains.payor.mapping import terms
from kiungo.domains.payor.model import Coverage, Member
from kiungo.fhir.pieces import Resource, coded, identifier, reference

GENDERS = {"M": "male", "F": "female", "Other": "other"}
_OURS = (terms.INSURANCE_ID, terms.PERSON_ID)


def patient(member: Member, known: Resource | None = None) -> Resource:
    """The Patient of a member; with a known Patient, that one with what the payor says of it."""
    given, _, family = member.name.rpartition(" ")
    name: Resource = {"text": member.name, "family": family}
    if given:
        name["given"] = given.split()
    ours = [
        identifier(terms.INSURANCE_ID, member.member_id),
        *(identifier(terms.PERSON_ID, value) for value in member.identifiers),
    ]
    others = [one for one in (known or {}).get("identifier", ()) if one.get("system") not in _OURS and one not in ours]
    resource: Resource = dict(known or {}) | {
        "resourceType": "Patient",
        "id": member.fhir_id,
        "identifier": [*ours, *others],
        "active": True,
        "name": [name],
    }
    if member.gender:
        resource["gender"] = member.gender
    if member.birth_date:
        resource["birthDate"] = member.birth_date
    return resource


def coverage(member: Member, cover: Coverage, plan: Plan) -> Resource:
    """The Coverage of one of a member's covers."""
    period: Resource = {"start": cover.valid_from}
    if cover.valid_until:
        period["end"] = cover.valid_until
    return {
        "resourceType": "Coverage",
        "id": cover.fhir_id,
        "identifier": [identifier(terms.INSURANCE_ID, member.member_id)],
        "status": "active",
        "subscriberId": member.member_id,
        "beneficiary": reference("Patient", member.fhir_id),
        "period": period,
        "payor": [{"identifier": identifier(terms.PAYOR_ID, plan.payor_id)}],
        "class": [
            {
                "type": coded("http://terminology.hl7.org/CodeSystem/coverage-class", "plan"),
                "value": plan.plan_id,
                "name": plan.name,
            },
            {
                "type": coded("http://terminology.hl7.org/CodeSystem/coverage-class", "group"),
                "value": member.family_id,
            },
        ],
        "order": cover.order,
    }


def insurance_plan(plan: Plan) -> Resource:
    """The InsurancePlan of a plan."""
    return {
        "resourceType": "InsurancePlan",
        "id": plan.fhir_id,
        "identifier": [identifier(terms.PLAN_ID, plan.plan_id)],
        "status": "active",
        "name": plan.name,
        "ownedBy": {"identifier": identifier(terms.PAYOR_ID, plan.payor_id)},
    }


def organization(provider: Provider) -> Resource:
    """The Organization of a provider."""
    identifiers = [identifier(terms.PROVIDER_ID, provider.provider_id)]
    if provider.npi:
        identifiers.append(identifier("http://hl7.org/fhir/sid/us-npi", provider.npi))
    if provider.facility:
        identifiers.append(identifier(terms.FACILITY_ID, provider.facility))
    return {
        "resourceType": "Organization",
        "id": provider.fhir_id,
        "identifier": identifiers,
        "active": True,
        "name": provider.name,
    }
