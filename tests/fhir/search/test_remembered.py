"""What is remembered between searches never answers for others: parameters, tenants, rights and values."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.paging import link
from kiungo.fhir.search.asked import Predicate
from kiungo.fhir.search.combining import matches
from kiungo.fhir.search.grammar import parse_condition
from kiungo.fhir.search.known import STANDARD, Known
from kiungo.fhir.search.matching import Scope
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http.messages import QUERY_PARTS_MAX, parse_query
from tests.fhir.conftest import Server, patient

OWN_KEY = 9_000


def _own(kind: str, of: str) -> Known:
    """A tenant whose Patient has an own parameter `rank`, of the kind of a standard one."""
    made = parameters_of("Patient")[of]
    from_standard = type(made)(**{**{n: getattr(made, n) for n in made.__slots__}, "code": "rank", "key": OWN_KEY})
    return Known({"Patient": {"rank": from_standard}})


@pytest.mark.parametrize("name", ["rank", "link.rank", "link:Patient.rank", "_has:Patient:link:rank"])
def test_an_own_parameter_is_only_its_tenants(name: str) -> None:
    token, string = _own("token", "gender"), _own("string", "family")
    first = parse_condition("Patient", name, "a", 0, token)
    assert first != parse_condition("Patient", name, "a", 0, string)
    with pytest.raises(Incorrect, match="has no search parameter 'rank'"):
        parse_condition("Patient", name, "a", 0, STANDARD)
    assert first == parse_condition("Patient", name, "a", 0, token)


def test_a_chain_is_no_deeper_for_being_remembered() -> None:
    assert parse_condition("Patient", "gender", "male")
    with pytest.raises(Incorrect, match="chains deeper"):
        parse_condition("Patient", "gender", "male", 5)


def test_rows_are_those_of_tenant_engine_value_and_day() -> None:
    def rows(value: str, *, tenant: int = 1, engine: str = "sqlite", now_us: int = 0, name: str = "family") -> Any:
        found = parse_condition("Patient", name, value)
        assert isinstance(found, Predicate)
        return [(m.table, m.where, m.parameters) for m in matches(Scope(tenant, "Patient", engine, now_us), found)]

    assert rows("a") == rows("a") != rows("a", tenant=2)
    assert rows("a") != rows("b")
    contains = {engine: rows("a", name="family:contains", engine=engine) for engine in ("sqlite", "postgresql")}
    assert contains["sqlite"] != contains["postgresql"]
    day_us = 86_400_000_000
    assert rows("ap2024", name="birthdate") != rows("ap2024", name="birthdate", now_us=20_000 * day_us)


def test_the_same_search_by_others_and_after_changes(server: Server) -> None:
    for number in range(3):
        server.ask("PUT", f"/Patient/p{number}", patient(id=f"p{number}", gender="female"))
    path = "/Patient?gender=female&active:missing=true"
    everyone = ["p2", "p1", "p0"]
    bound = server.new_key("system/*.cruds", bindings={"patient": "p1"})
    without = server.new_key("system/Observation.rs")
    for _ in range(2):
        assert server.search_ids(path) == everyone
        assert server.search_ids(path, bound) == ["p1"]
        assert server.ask("GET", path, key=without).status_code == 403
    other = Call(system_call(2).principal, "r", "o")
    found = server.database.read(
        lambda unit: server.store.search_in(unit, other, "Patient", [("gender", "female"), ("active:missing", "true")])
    )
    assert b'"entry"' not in found
    server.ask("PUT", "/Patient/p2", patient(id="p2", gender="male"))
    server.ask("DELETE", "/Patient/p0")
    assert server.search_ids(path) == ["p1"]
    assert server.search_ids(path.replace("female", "male")) == ["p2"]


@given(st.text("ab=&%+;20é41|/:$, \0", max_size=14))
def test_a_query_reads_as_the_standard_library_reads_it(text: str) -> None:
    def told(read: Any) -> Any:
        try:
            return read()
        except (ValueError, Incorrect):
            return "refused"

    expected = told(
        lambda: (
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=QUERY_PARTS_MAX)
            if text.isascii()
            else "refused"
        )
    )
    if any("\0" in part for pair in expected for part in pair):
        expected = "refused"
    assert told(lambda: parse_query(text.encode())) == expected


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), min_size=1, max_size=3))
def test_a_link_reads_back_as_it_was_asked(pairs: list[tuple[str, str]]) -> None:
    address = link("x", pairs)
    assert parse_qsl(address[2:], keep_blank_values=True) == pairs
    assert parse_qsl(urlencode(pairs), keep_blank_values=True) == pairs
