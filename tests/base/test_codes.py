"""Codings and identifiers in FHIR's JSON."""

from kiungo.base.codes import CPT, NPI, Coding, Identifier


def test_a_coding_carries_its_display_only_when_it_has_one() -> None:
    assert Coding(CPT, "99213").fhir() == {"system": CPT, "code": "99213"}
    assert Coding(CPT, "99213", "Visit").fhir() == {"system": CPT, "code": "99213", "display": "Visit"}
    assert Coding(CPT, "99213") == Coding(CPT, "99213")


def test_an_identifier_is_its_issuer_and_value() -> None:
    assert Identifier(NPI, "1234567893").fhir() == {"system": NPI, "value": "1234567893"}
