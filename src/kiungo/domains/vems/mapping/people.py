"""Patients and facilities as the registry knows them, as Patient, Organization and Location."""

from collections.abc import Mapping
from typing import Any

from kiungo.domains.vems.mapping.terms import FACILITY, IDENTIFICATION, PERSON
from kiungo.fhir.pieces import Resource, identified, identifier
from kiungo.ports.registry import RegisteredFacility, RegisteredPatient

GENDERS = {"male": "Male", "female": "Female", "other": "Other", "unknown": "Unknown"}


def patient(person: RegisteredPatient, known: Resource | None = None) -> Resource:
    """The Patient of a registered person; with a known Patient, that one with what the registry adds."""
    given, _, family = person.name.rpartition(" ")
    name: Resource = {"text": person.name, "family": family}
    if given:
        name["given"] = given.split()
    ours = [identifier(PERSON, person.cr_number)]
    if person.identification_no:
        kind = person.identification_type or "unknown"
        ours.append(
            {**identifier(IDENTIFICATION + kind.lower().replace(" ", "-"), person.identification_no)}
            | {"type": {"text": kind}}
        )
    resource: Resource = dict(known or {"resourceType": "Patient", "active": True})
    kept = [item for item in resource.get("identifier", ()) if not _same(item, ours)]
    resource |= {"identifier": [*kept, *ours], "name": [name]}
    if person.phone:
        resource["telecom"] = [{"system": "phone", "value": person.phone}]
    if person.gender:
        resource["gender"] = person.gender
    if person.birth_date:
        resource["birthDate"] = person.birth_date
    return resource


def patient_view(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The patient of a booking's answer. Source: API guide section 5.3."""
    name = (resource.get("name") or [{}])[0]
    phone = next((item["value"] for item in resource.get("telecom", ()) if item.get("system") == "phone"), None)
    papers: Mapping[str, Any] = next(
        (item for item in resource.get("identifier", ()) if item.get("system", "").startswith(IDENTIFICATION)), {}
    )
    return {
        "name": name.get("text") or " ".join([*name.get("given", ()), name.get("family", "")]).strip(),
        "phone": phone,
        "dateOfBirth": resource.get("birthDate"),
        "gender": GENDERS.get(resource.get("gender", "")),
        "identificationType": papers.get("type", {}).get("text"),
        "identificationNo": papers.get("value"),
    }


def registered_patient(resource: Mapping[str, Any]) -> RegisteredPatient:
    """The registered person a Patient was made of."""
    view = patient_view(resource)
    return RegisteredPatient(
        cr_number=identified(resource, PERSON) or "",
        name=view["name"],
        phone=view["phone"] or "",
        birth_date=view["dateOfBirth"] or "",
        gender=resource.get("gender", ""),
        identification_type=view["identificationType"] or "",
        identification_no=view["identificationNo"] or "",
    )


def organization(facility: RegisteredFacility, known: Resource | None = None) -> Resource:
    """The Organization of a facility."""
    resource: Resource = dict(known or {"resourceType": "Organization"})
    ours = [identifier(FACILITY, facility.fr_code)]
    kept = [item for item in resource.get("identifier", ()) if not _same(item, ours)]
    resource |= {"identifier": [*kept, *ours], "active": facility.operational, "name": facility.name}
    return resource


def location(facility: RegisteredFacility, organization_id: str, known: Resource | None = None) -> Resource:
    """The Location of a facility."""
    resource: Resource = dict(known or {"resourceType": "Location", "mode": "instance"})
    resource |= {
        "identifier": [identifier(FACILITY, facility.fr_code)],
        "status": "active" if facility.operational else "inactive",
        "name": facility.name,
        "managingOrganization": {"reference": f"Organization/{organization_id}"},
    }
    if facility.county:
        resource["address"] = {"district": facility.county, "country": "KE"}
    if facility.kind:
        resource["type"] = [{"text": facility.kind}]
    if facility.phone:
        resource["telecom"] = [{"system": "phone", "value": facility.phone}]
    return resource


def _same(item: Mapping[str, Any], ours: list[Resource]) -> bool:
    return any(item.get("system") == one["system"] for one in ours)
