"""Rows about the person, those around them, their cover and the origin of data.

Source: USCDI v3 classes Patient Demographics/Information, Care Team Members, Health Insurance Information,
Provenance; US Core 6.1.0.
"""

from kiungo.fhir.uscdi.elements import US_CORE, DataElement, coded

_PERSON = "Patient Demographics/Information"
_TEAM = "Care Team Members"
_COVER = "Health Insurance Information"
_ORIGIN = "Provenance"
_CURRENT = "(use.empty() or use != 'old')"
_EARLIER = "(use = 'old' or period.end.exists())"


def _patient(name: str, path: str) -> DataElement:
    return DataElement(_PERSON, name, "Patient", "us-core-patient", path)


def _extension(name: str) -> str:
    return f"extension('{US_CORE}{name}')"


def _team(name: str, path: str) -> DataElement:
    return DataElement(_TEAM, name, "CareTeam", "us-core-careteam", path)


def _cover(name: str, path: str) -> DataElement:
    return DataElement(_COVER, name, "Coverage", "us-core-coverage", path)


def _observed(name: str, profile: str, code: str, path: str = "value") -> DataElement:
    return DataElement(_PERSON, name, "Observation", profile, path, coded(code))


ROWS: tuple[DataElement, ...] = (
    _patient("First name", f"name.where({_CURRENT}).given.first()"),
    _patient("Last name", f"name.where({_CURRENT}).family"),
    _patient("Middle name", f"name.where({_CURRENT}).select(given.skip(1))"),
    _patient("Name suffix", "name.suffix"),
    _patient("Previous name", f"name.where({_EARLIER})"),
    _patient("Date of birth", "birthDate"),
    _patient("Date of death", "deceased"),
    _patient("Race", _extension("us-core-race")),
    _patient("Ethnicity", _extension("us-core-ethnicity")),
    _patient("Tribal affiliation", _extension("us-core-tribal-affiliation")),
    _patient("Sex", f"{_extension('us-core-sex')} | {_extension('us-core-birthsex')} | gender"),
    _observed("Sexual orientation", "us-core-observation-sexual-orientation", "76690-7"),
    _patient("Gender identity", _extension("us-core-genderIdentity")),
    _patient("Preferred language", "communication.language"),
    _patient("Current address", f"address.where({_CURRENT})"),
    _patient("Previous address", f"address.where({_EARLIER})"),
    _patient("Phone number", "telecom.where(system = 'phone').value"),
    _patient("Kind of phone number", "telecom.where(system = 'phone').use"),
    _patient("Email address", "telecom.where(system = 'email').value"),
    DataElement(_PERSON, "Related person's name", "RelatedPerson", "us-core-relatedperson", "name"),
    DataElement(_PERSON, "Related person's relationship", "RelatedPerson", "us-core-relatedperson", "relationship"),
    _observed("Occupation", "us-core-observation-occupation", "11341-5"),
    _observed(
        "Industry of occupation",
        "us-core-observation-occupation",
        "11341-5",
        "component.where(code.coding.code = '86188-0').value",
    ),
    _team("Member's name", "participant.member.resolve().name | participant.member.display"),
    _team("Member's identifier", "participant.member.resolve().identifier | participant.member.identifier"),
    _team("Member's role", "participant.role"),
    _team("Member's location", "participant.member.resolve().select(location | address)"),
    _team("Member's telecom", "participant.member.resolve().telecom"),
    _cover("Status of coverage", "status"),
    _cover("Type of coverage", "type"),
    _cover("Relationship to the subscriber", "relationship"),
    _cover("Member's identifier", "identifier.where(type.coding.where(code = 'MB').exists())"),
    _cover("Subscriber's identifier", "subscriberId"),
    _cover("Group number", "class.where(type.coding.where(code = 'group').exists()).value"),
    _cover("Payer's identifier", "payor.identifier | payor.resolve().identifier"),
    DataElement(
        _ORIGIN,
        "Author's organization",
        "Provenance",
        "us-core-provenance",
        "agent.where(type.coding.where(code = 'author').exists()).select(onBehalfOf | who)",
    ),
    DataElement(_ORIGIN, "Time of authoring", "Provenance", "us-core-provenance", "recorded"),
)
