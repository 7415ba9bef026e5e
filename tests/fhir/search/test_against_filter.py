"""Searches of random records give what a filter over them in memory gives, in every combination, page by page."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiungo.fhir.prepare import prepare
from kiungo.fhir.repository import Repository
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.select import run, scope_of
from kiungo.kernel.auth.principal import system_call
from kiungo.kernel.database import Database
from tests.fhir.conftest import observation

CALL = system_call(1)
PEOPLE = ("a", "b", "c")
CODES = ("8867-4", "8310-5", "8480-6")
STATUSES = ("final", "amended")
DAYS = tuple(f"2024-0{month}-1{day}" for month in (1, 2, 3) for day in (0, 5))
VALUES = (36, 72, 90, 140)
TEXTS = ("calm", "after exercise", "Calm again")

records = st.lists(
    st.fixed_dictionaries(
        {
            "person": st.sampled_from(PEOPLE),
            "code": st.sampled_from(CODES),
            "status": st.sampled_from(STATUSES),
            "day": st.sampled_from(DAYS),
            "value": st.sampled_from(VALUES) | st.none(),
            "note": st.sampled_from(TEXTS) | st.none(),
        }
    ),
    min_size=1,
    max_size=14,
)
Record = dict[str, Any]


def _is_word(word: str) -> Any:
    return lambda r: r["note"] is not None and word in r["note"].lower().split()


CONDITIONS: list[tuple[str, str, Any]] = [
    *((f"code={c}", f"code eq {c}", lambda r, c=c: r["code"] == c) for c in CODES),
    ("code:not=8867-4", "code ne 8867-4", lambda r: r["code"] != "8867-4"),
    ("code=8867-4,8310-5", "(code eq 8867-4 or code eq 8310-5)", lambda r: r["code"] != "8480-6"),
    *((f"subject=Patient/{p}", f"subject re Patient/{p}", lambda r, p=p: r["person"] == p) for p in PEOPLE),
    ("patient=a", "patient re Patient/a", lambda r: r["person"] == "a"),
    ("status=amended", "status eq amended", lambda r: r["status"] == "amended"),
    ("date=2024-02", "date eq 2024-02", lambda r: r["day"][:7] == "2024-02"),
    ("date=ge2024-02-15", "date ge 2024-02-15", lambda r: r["day"] >= "2024-02-15"),
    ("date=lt2024-02-15", "date lt 2024-02-15", lambda r: r["day"] < "2024-02-15"),
    ("date=ne2024-01", "date ne 2024-01", lambda r: r["day"][:7] != "2024-01"),
    ("value-quantity=gt72", "value-quantity gt 72", lambda r: r["value"] is not None and r["value"] > 72),
    ("value-quantity=72", "value-quantity eq 72", lambda r: r["value"] == 72),
    ("value-quantity:missing=true", "value-quantity pr false", lambda r: r["value"] is None),
    ("code-value-quantity=8867-4$ge72", "", lambda r: r["code"] == "8867-4" and (r["value"] or 0) >= 72),
    ("_content=calm", "", _is_word("calm")),
    ("_content=again or exercise", "", lambda r: _is_word("again")(r) or _is_word("exercise")(r)),
]


def _prepared(number: int, record: Record) -> Any:
    body = observation(f"Patient/{record['person']}", record["code"], record["day"], status=record["status"])
    body["id"] = f"o{number}"
    if record["value"] is None:
        del body["valueQuantity"]
    else:
        body["valueQuantity"]["value"] = record["value"]
    if record["note"] is not None:
        body["note"] = [{"text": record["note"]}]
    return prepare(body, id=f"o{number}")


class Undone(Exception):
    """Takes the records back, so that each example begins with nothing."""


def _compare(unit: Any, some: list[Record], chosen: list[int], joined: bool, count: int, sort: str) -> None:
    repository = Repository(_Now())
    for number, record in enumerate(some):
        repository.update(unit, CALL, _prepared(number, record))
    params, tests = [], []
    for index in chosen:
        plain, as_filter, test = CONDITIONS[index]
        tests.append(test)
        if joined and as_filter:
            params.append(("_filter", as_filter))
        else:
            params.append(tuple(plain.split("=", 1)))
    query_text = [*params, ("_count", str(count)), *([("_sort", sort)] if sort else [])]
    wanted = [n for n, record in enumerate(some) if all(test(record) for test in tests)]
    found: list[int] = []
    after = None
    while True:
        query = parse_query("Observation", query_text)
        page = run(unit, scope_of(unit, 1, "Observation"), query, after)
        found += [int(stored.id[1:]) for stored in page.resources]
        after = page.next
        if after is None:
            break
    assert sorted(found) == wanted, query_text
    days = [some[n]["day"] for n in found]
    if sort in ("date", ""):
        assert days == sorted(days, reverse=not sort), query_text
    elif sort == "-code,date":
        keys = [(some[n]["code"], some[n]["day"]) for n in found]
        assert [k[0] for k in keys] == sorted((k[0] for k in keys), reverse=True), query_text
    total = run(unit, scope_of(unit, 1, "Observation"), parse_query("Observation", [*params, ("_summary", "count")]))
    assert total.total == len(wanted), query_text


class _Now:
    """The clock ids are made with."""

    def now(self) -> datetime:
        return datetime(2024, 6, 1, tzinfo=UTC)

    def now_us(self) -> int:
        return 1_717_200_000_000_000


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some=records,
    chosen=st.lists(st.integers(0, len(CONDITIONS) - 1), max_size=3, unique=True),
    joined=st.booleans(),
    count=st.integers(1, 5),
    sort=st.sampled_from(["", "date", "-value-quantity", "_id", "-code,date", "subject,-date"]),
)
def test_a_search_is_a_filter(
    database: Database, some: list[Record], chosen: list[int], joined: bool, count: int, sort: str
) -> None:
    def work(unit: Any) -> None:
        _compare(unit, some, chosen, joined, count, sort)
        raise Undone

    with pytest.raises(Undone):
        database.write(work)
