"""The inbox: raw bytes first, each message once, and an id that means two things is an error."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from kiungo.base.errors import Conflict
from kiungo.kernel import inbox
from kiungo.kernel.database import Database, Unit

BODY = b"MSH|^~\\&|LAB\r\x00\xff not even text"


def take(
    unit: Unit, message_id: str | None = "m-1", body: bytes = BODY, *, tenant: int = 1, source: str = "lab"
) -> bool:
    return inbox.receive(unit, tenant=tenant, source=source, message_id=message_id, body=body)


def stored(database: Database) -> list[tuple[int, str, str, bytes]]:
    rows = database.read(lambda unit: unit.rows("SELECT tn, source, message_id, body FROM inbox ORDER BY id"))
    return [(tn, source, message_id, bytes(body)) for tn, source, message_id, body in rows]


def test_the_bytes_are_kept_exactly_and_a_repeat_is_dropped(database: Database) -> None:
    assert database.write(take) is True
    assert database.write(take) is False
    assert stored(database) == [(1, "lab", "m-1", BODY)]


def test_an_id_is_its_senders_own(database: Database) -> None:
    assert database.write(take)
    assert database.write(partial(take, source="radiology", body=b"other"))
    assert database.write(partial(take, tenant=2, body=b"other"))
    assert len(stored(database)) == 3


def test_an_id_used_for_another_body_is_refused_and_nothing_is_lost(database: Database) -> None:
    database.write(take)
    with pytest.raises(Conflict) as refused:
        database.write(partial(take, body=b"another"))
    assert (refused.value.code, refused.value.field) == ("MESSAGE_ID_REUSED", "message_id")
    assert stored(database) == [(1, "lab", "m-1", BODY)]


@pytest.mark.parametrize("message_id", [None, ""])
def test_without_an_id_the_body_is_its_own(database: Database, message_id: str | None) -> None:
    assert database.write(partial(take, message_id=message_id))
    assert not database.write(partial(take, message_id=message_id))
    assert database.write(partial(take, message_id=message_id, body=b"another"))
    assert [message[3] for message in stored(database)] == [BODY, b"another"]


def test_eight_at_once_are_one(database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        new = list(threads.map(lambda _: database.write(take), range(8)))
    assert sorted(new) == [False] * 7 + [True]
    assert len(stored(database)) == 1


def test_a_message_goes_with_the_unit_it_came_in(database: Database) -> None:
    def fails(unit: Unit) -> None:
        take(unit)
        raise RuntimeError("after the message")

    with pytest.raises(RuntimeError):
        database.write(fails)
    assert stored(database) == []
    assert database.write(take)
