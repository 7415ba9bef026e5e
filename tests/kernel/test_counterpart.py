"""Whoever is asked over HTTP: an answer, or Unavailable with the time to wait."""

import httpx
import pytest

from kiungo.base.errors import Unavailable
from kiungo.kernel.clients.counterpart import RETRY_AFTER_S, RETRY_AFTER_S_MAX, Counterpart, retry_after_s
from kiungo.ports.payer import PAYER_AWAY

DAY = "Mon, 02 Mar 2026 08:00:00 GMT"
LATER = "Mon, 02 Mar 2026 08:02:00 GMT"


def counterpart(handler) -> Counterpart:
    http = httpx.Client(transport=httpx.MockTransport(handler))
    return Counterpart(http, "http://payer.test/api", code=PAYER_AWAY, name="The payer")


def test_an_answer_is_given_back_whatever_its_status() -> None:
    asked = counterpart(lambda request: httpx.Response(418, json={"path": request.url.path}))
    response = asked.send("GET", "/claims/", headers={}, query={"a": "1"})
    assert response.status_code == 418
    assert asked.object_in(response)["path"] == "/api/claims/"


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
def test_no_answer_is_unavailable(error: httpx.HTTPError) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(Unavailable) as away:
        counterpart(broken).send("POST", "/", headers={}, content=b"{}")
    assert away.value.code == PAYER_AWAY
    assert away.value.retry_after_s == RETRY_AFTER_S
    assert type(error).__name__ in away.value.message


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"", b"3"])
def test_what_is_not_an_object_is_a_proxys_answer(body: bytes) -> None:
    asked = counterpart(lambda request: httpx.Response(200, content=body))
    response = asked.send("GET", "/", headers={})
    with pytest.raises(Unavailable):
        asked.object_in(response)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": LATER, "date": DAY}, 120.0),
        ({"retry-after": DAY, "date": LATER}, 0.0),
        ({"retry-after": LATER}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(httpx.Response(503, headers=headers)) == expected


def test_the_time_to_wait_has_bounds() -> None:
    asked = counterpart(lambda request: httpx.Response(503))
    far, near = (httpx.Response(503, headers={"retry-after": told}) for told in ("99999999", "0"))
    assert asked.away("x", far).retry_after_s == RETRY_AFTER_S_MAX
    assert asked.away("x", near).retry_after_s == 1.0
