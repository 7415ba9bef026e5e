"""Slicing: every kind of discriminator, closed, ordered and open at the end, slices within slices."""

from typing import Any

import pytest

from tests.fhir.profiles.conftest import HERE, Json, Places, observation, patient, profile, slicing

PHONE = {"id": "Patient.telecom:phone", "sliceName": "phone", "min": 1, "max": "1"}
PHONE_CODE = {"id": "Patient.telecom:phone.system", "fixedCode": "phone"}
CONTACTS = {
    "phone": {"system": "phone", "value": "1"},
    "mail": {"system": "email", "value": "a@b"},
    "fax": {"system": "fax", "value": "2"},
}


def telecom(*names: str) -> Json:
    return patient(telecom=[CONTACTS[name] for name in names])


def by_system(*more: Json, rules: str = "open", ordered: bool = False) -> Json:
    head = {"id": "Patient.telecom", "slicing": slicing(("value", "system"), rules=rules, ordered=ordered)}
    return profile("Patient", head, PHONE, PHONE_CODE, *more)


MAIL = (
    {"id": "Patient.telecom:mail", "sliceName": "mail", "max": "1"},
    {"id": "Patient.telecom:mail.system", "fixedCode": "email"},
)


@pytest.mark.parametrize(
    ("names", "rules", "ordered", "expected"),
    [
        (("phone",), "open", False, []),
        (("mail",), "open", False, ["Patient"]),
        (("phone", "phone"), "open", False, ["Patient"]),
        (("phone", "mail", "mail"), "open", False, ["Patient"]),
        (("phone", "fax"), "open", False, []),
        (("phone", "fax"), "closed", False, ["Patient.telecom[1]"]),
        (("fax", "phone"), "openAtEnd", False, ["Patient.telecom[0]"]),
        (("phone", "fax"), "openAtEnd", False, []),
        (("mail", "phone"), "open", True, ["Patient.telecom[1]"]),
        (("phone", "fax", "mail"), "open", True, []),
    ],
)
def test_counts_closed_order_and_end(
    places: Places, names: tuple[str, ...], rules: str, ordered: bool, expected: list[str]
) -> None:
    assert places(telecom(*names), by_system(*MAIL, rules=rules, ordered=ordered)) == expected


def component(code: str, **more: Any) -> Json:
    return {"code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "x"}]}, **more}


def test_a_pattern_tells_slices_apart_and_their_content_is_judged(places: Places) -> None:
    wanted = {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
    made = profile(
        "Observation",
        {"id": "Observation.component", "slicing": slicing(("pattern", "code"))},
        {"id": "Observation.component:upper", "sliceName": "upper", "min": 1, "max": "1"},
        {"id": "Observation.component:upper.code", "patternCodeableConcept": wanted},
        {"id": "Observation.component:upper.value[x]", "min": 1, "type": [{"code": "Quantity"}]},
    )
    quantity = {"value": 1}
    assert places(observation(component=[component("8480-6", valueQuantity=quantity)]), made) == []
    assert places(observation(component=[component("8462-4", valueQuantity=quantity)]), made) == ["Observation"]
    assert places(observation(component=[component("8480-6")]), made) == ["Observation.component[0]"]
    wrong = observation(component=[component("8462-4"), component("8480-6", valueString="x")])
    assert places(wrong, made) == ["Observation.component[1].valueString"]


def test_what_exists_tells_slices_apart(places: Places) -> None:
    made = profile(
        "Patient",
        {"id": "Patient.identifier", "slicing": slicing(("exists", "period"))},
        {"id": "Patient.identifier:past", "sliceName": "past", "max": "1"},
        {"id": "Patient.identifier:past.period", "min": 1},
        {"id": "Patient.identifier:now", "sliceName": "now", "min": 1},
        {"id": "Patient.identifier:now.period", "max": "0"},
    )
    past, now = {"value": "1", "period": {"start": "2020"}}, {"value": "2"}
    assert places(patient(identifier=[past, now]), made) == []
    assert places(patient(identifier=[past]), made) == ["Patient"]
    assert places(patient(identifier=[past, past, now]), made) == ["Patient"]


def test_types_tell_slices_apart(places: Places) -> None:
    made = profile(
        "Observation",
        {"id": "Observation.value[x]", "slicing": slicing(("type", "$this"), rules="closed")},
        {"id": "Observation.value[x]:valueQuantity", "sliceName": "valueQuantity", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:valueQuantity.unit", "min": 1},
    )
    assert places(observation(valueQuantity={"value": 1, "unit": "x"}), made) == []
    assert places(observation(valueQuantity={"value": 1}), made) == ["Observation.valueQuantity"]
    assert places(observation(valueString="x"), made) == ["Observation.valueString"]


def test_resolved_types_and_profiles_tell_slices_apart(places: Places) -> None:
    named = profile("Patient", {"id": "Patient.name", "min": 1}, name="named")
    head = {"id": "Bundle.entry", "slicing": slicing(("profile", "resource"))}
    made = profile(
        "Bundle",
        head,
        {"id": "Bundle.entry:named", "sliceName": "named", "min": 1, "max": "1"},
        {"id": "Bundle.entry:named.resource", "type": [{"code": "Patient", "profile": [HERE + "named"]}]},
    )
    nameless = {"resourceType": "Patient", "gender": "male"}
    for entries, expected in (
        ([patient(), nameless], []),
        ([nameless], ["Bundle"]),
        ([patient(), patient()], ["Bundle"]),
    ):
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in entries]}
        assert places(bundle, made, named) == expected
    performers = profile(
        "Observation",
        {"id": "Observation.performer", "slicing": slicing(("type", "resolve()"))},
        {
            "id": "Observation.performer:who",
            "sliceName": "who",
            "min": 1,
            "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Practitioner"]}],
        },
    )
    assert places(observation(performer=[{"reference": "Practitioner/1"}]), performers) == []
    assert places(observation(performer=[{"reference": "Organization/1"}]), performers) == ["Observation"]


def test_extensions_are_sliced_by_their_url(places: Places) -> None:
    url = HERE + "colour"
    colour = profile(
        "Extension",
        {"id": "Extension.url", "fixedUri": url},
        {"id": "Extension.value[x]", "min": 1, "type": [{"code": "string"}]},
        name="colour",
        kind="complex-type",
        context=[{"type": "element", "expression": "Patient"}],
    )
    made = profile(
        "Patient",
        {
            "id": "Patient.extension:colour",
            "sliceName": "colour",
            "min": 1,
            "max": "1",
            "type": [{"code": "Extension", "profile": [url]}],
        },
    )
    good = {"url": url, "valueString": "red"}
    assert places(patient(extension=[good]), made, colour) == []
    assert places(patient(), made, colour) == ["Patient"]
    assert places(patient(extension=[good, good]), made, colour) == ["Patient"]
    assert places(patient(extension=[{"url": url, "valueInteger": 1}]), made, colour) == [
        "Patient.extension[0].valueInteger"
    ]


def test_slices_within_slices(places: Places) -> None:
    made = by_system(
        {"id": "Patient.telecom:phone", "slicing": slicing(("value", "use")), "max": "*"},
        {"id": "Patient.telecom:phone/home", "sliceName": "phone/home", "min": 1, "max": "1"},
        {"id": "Patient.telecom:phone/home.use", "fixedCode": "home"},
    )
    made["differential"]["element"][2].pop("max")
    home, work = {"system": "phone", "value": "1", "use": "home"}, {"system": "phone", "value": "2", "use": "work"}
    assert places(patient(telecom=[home, work]), made) == []
    assert places(patient(telecom=[work]), made) == ["Patient"]
    assert places(patient(telecom=[home, home]), made) == ["Patient"]


def test_what_has_no_code_is_in_no_slice_of_a_value_set(places: Places) -> None:
    """A value without a coding is in no value set, so that an open slicing takes it beside the slice."""
    head = {"id": "Patient.maritalStatus", "min": 0}
    sliced = profile(
        "Patient",
        head,
        {"id": "Patient.communication", "slicing": slicing(("value", "language"))},
        {"id": "Patient.communication:spoken", "sliceName": "spoken", "max": "1"},
        {
            "id": "Patient.communication:spoken.language",
            "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"},
        },
    )
    coded = {"language": {"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}]}}
    plain = {"language": {"text": "Kikuyu"}}
    assert places(patient(communication=[plain, coded, plain]), sliced) == []
    assert places(patient(communication=[coded, coded]), sliced) == ["Patient"]
