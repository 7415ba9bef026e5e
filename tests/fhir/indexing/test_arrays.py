"""A column that was written out as an array is the same column when PostgreSQL has read it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiungo.fhir.indexing.arrays import array_cast, array_text
from kiungo.kernel.database import Database

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
TEXTS = st.lists(st.none() | TEXT | st.sampled_from(['"', "\\", "{,}", "NULL", "", " a ", '\\"', "%s ?"]), max_size=4)


@pytest.mark.parametrize("engine", ["postgresql"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, numbers=st.lists(st.integers(-(2**63), 2**63 - 1)), parts=st.lists(st.floats(allow_nan=False)))
def test_what_goes_in_comes_out(stepped_database: Database, texts: list, numbers: list, parts: list) -> None:
    sql = f"SELECT {array_cast('text')}, {array_cast('bigint')}, {array_cast('double precision')}"
    given_now = (array_text(texts, quoted=True), array_text(numbers, quoted=False), array_text(parts, quoted=False))
    found = stepped_database.read(lambda unit: unit.row(sql, given_now))
    assert found == (texts, numbers, parts)
