"""The scope grammar and the one decision function."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Forbidden, Incorrect
from kiungo.kernel.auth import Principal, Thing, anonymous, may, require, system_call
from kiungo.kernel.auth.scopes import Grants, narrow, parse_scope


@pytest.mark.parametrize(
    ("held", "asked", "covered"),
    [
        ("read:claims", "read:claims", True),
        ("read:claims", "write:claims", False),
        ("read:*", "read:claims", True),
        ("*:claims", "write:claims", True),
        ("*:*", "admin:access", True),
        ("read:claims", "read:*", False),
        ("read:claims", "*:*", False),
        ("*:*", "system/Patient.r", False),
        ("system/*.cruds", "read:claims", False),
        ("system/Patient.rs", "system/Patient.r", True),
        ("system/Patient.rs", "system/Patient.rs", True),
        ("system/Patient.rs", "system/Patient.cu", False),
        ("system/Patient.rs", "system/Observation.r", False),
        ("system/*.rs", "system/Observation.s", True),
        ("system/Patient.read", "system/Patient.rs", True),
        ("system/Patient.write", "system/Patient.cud", True),
        ("system/Patient.*", "system/Patient.cruds", True),
        ("user/Patient.rs", "system/Patient.r", True),
        ("patient/Patient.rs", "system/Patient.r", False),
        ("patient/Patient.rs", "user/Patient.r", False),
        ("patient/Patient.rs", "patient/Patient.r", True),
        ("system/Patient.rs", "patient/Patient.r", False),
        ("system/Patient.r", "system/*.r", False),
    ],
)
def test_what_a_scope_covers(held: str, asked: str, covered: bool) -> None:
    grants = Grants([held])
    assert grants.covers(asked) is covered
    assert grants.covers(asked) is covered, "the remembered answer is the same"


@pytest.mark.parametrize(
    "text",
    [
        "", "read", "read:", ":claims", "READ:claims", "read:claims:more", "read claims", "read:cla*", "system/Patient",
        "system/Patient.", "system/patient.r", "system/Patient.sr", "system/Patient.rr", "other/Patient.r",
        "system/Patient.rs?category=x", "read:claims\n", "*", "launch/patient", "é:x",
    ],
)  # fmt: skip
def test_anything_else_is_no_scope(text: str) -> None:
    with pytest.raises(Incorrect) as caught:
        parse_scope(text)
    assert caught.value.field == "scope"


@given(st.text(max_size=40))
def test_no_text_is_a_scope_by_accident(text: str) -> None:
    try:
        parse_scope(text)
    except Incorrect:
        return
    assert text.isascii()
    assert text.count(":") == 1 or text.count("/") == 1


def test_narrowing_never_widens() -> None:
    held = {"read:*", "system/Patient.rs"}
    asked = ["read:claims", "write:claims", "system/Patient.r", "system/Patient.cruds", "*:*"]
    assert narrow(asked, held) == {"read:claims", "system/Patient.r"}


PROVIDER = Principal(1, "k", "api_key", "City", scopes=frozenset({"read:claims"}), bindings={"provider": "PROV-001"})


def test_a_bound_principal_reaches_its_own_only() -> None:
    assert may(PROVIDER, "read:claims", Thing("claim", bindings={"provider": "PROV-001"}))
    refused = may(PROVIDER, "read:claims", Thing("claim", bindings={"provider": "PROV-002"}))
    assert (refused.allowed, refused.code) == (False, "NOT_YOURS")
    assert "PROV" not in refused.reason
    assert not may(PROVIDER, "read:claims", Thing("claim", bindings={"provider": ""})), "nobody's is not theirs"
    unguarded = may(PROVIDER, "read:claims", Thing("plan"))
    assert (unguarded.allowed, unguarded.code) == (False, "NOT_YOURS"), "a record that names no provider is refused"
    assert may(PROVIDER, "read:claims"), "without a record only the scope is asked about"
    both = {"provider": "PROV-001", "facility": "F-1"}
    wide = Principal(1, "k", "api_key", "City", scopes=frozenset({"read:claims"}), bindings=both)
    assert not may(wide, "read:claims", Thing("claim", bindings={"provider": "PROV-001"}))
    assert may(wide, "read:claims", Thing("claim", bindings=both))
    person = Principal(1, "k", "api_key", "Amina", scopes=frozenset({"read:claims"}), bindings={"patient": "p"})
    assert may(person, "read:claims", Thing("note", person="p"))
    assert not may(person, "read:claims", Thing("note"))


def test_an_unbound_principal_reaches_all_of_its_tenant() -> None:
    clerk = Principal(1, "k", "api_key", "Clerk", scopes=frozenset({"read:claims"}))
    assert may(clerk, "read:claims", Thing("claim", tenant=1, bindings={"provider": "PROV-002"}))
    assert may(clerk, "read:claims", Thing("claim", tenant=2)).code == "OTHER_TENANT"


def test_require_says_what_is_missing() -> None:
    with pytest.raises(Forbidden, match="write:claims") as caught:
        require(PROVIDER, "write:claims")
    assert caught.value.code == "SCOPE_MISSING"
    assert not may(anonymous(1), "read:claims")
    assert may(system_call(1).principal, "admin:access")
    assert may(system_call(1).principal, "system/Claim.cruds")
