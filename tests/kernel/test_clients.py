"""Outbound calls: only where we may, never for longer or larger than allowed, never a credential in a log."""

import asyncio
import gzip
import logging
from collections.abc import Callable, Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.kernel.clients import (
    Breaker,
    BreakerSettings,
    CircuitOpen,
    EgressPolicy,
    Outbound,
    Poster,
    Timeouts,
    make_async_client,
    make_client,
    redact_headers,
    redact_text,
    redact_url,
)
from kiungo.kernel.clients.transport import ResponseTooLarge
from tests.kernel.webhooks.receiver import Receiver, Reply

SERVE = EgressPolicy()
DEV = EgressPolicy(allow_loopback=True)
TIMEOUTS = Timeouts(connect_s=1, read_s=1, total_s=1)

LOOPBACK = [
    "http://localhost:3000/x",
    "http://127.0.0.1/",
    "http://127.8.9.10/",
    "http://[::1]:8000/",
    "https://127.0.0.1/",
    "http://[::ffff:127.0.0.1]/",
]
NEVER = [
    "http://10.0.0.1/",
    "https://10.0.0.1/",
    "https://172.16.5.4/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://255.255.255.255/",
    "https://224.0.0.1/",
    "https://198.18.0.1/",
    "https://192.0.2.1/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[::]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://[2001:db8::1]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://0x7f.1/",
    "https://10.1/",
    "https://user:pass@hooks.example.com/",
    "https://hooks.example.com@10.0.0.1/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com/#fragment",
    "https://hooks.example.com/a b",
    "https://hooks.example.com\\@10.0.0.1/",
    "https://hooks.example.com/\nHost: inside",
    "https://hooks\u3002example.com/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https:///x",
    "https://",
    "//hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "",
    "https://" + "a" * 2_000 + ".com/",
]


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_is_for_dev_only(url: str) -> None:
    DEV.check_url(url)
    if "localhost" not in url:
        with pytest.raises(Incorrect):
            SERVE.check_url(url)
    assert refused(SERVE, url)


@pytest.mark.parametrize("url", NEVER)
@pytest.mark.parametrize("policy", [SERVE, DEV], ids=["serve", "dev"])
def test_nothing_else_private_or_odd_passes_in_either_mode(policy: EgressPolicy, url: str) -> None:
    with pytest.raises(Incorrect) as refusal:
        policy.check_url(url, field="webhook_url")
    assert (refusal.value.code, refusal.value.field) == ("EGRESS_REFUSED", "webhook_url")
    assert refusal.value.hint


@pytest.mark.parametrize("policy", [SERVE, DEV], ids=["serve", "dev"])
def test_public_https_passes_and_public_plain_http_does_not(policy: EgressPolicy) -> None:
    policy.check_url("https://hooks.example.com/webhooks?token=1")
    policy.check_url("https://93.184.216.34:8443/x")
    assert refused(policy, "http://hooks.example.com/")
    assert refused(policy, "http://93.184.216.34/")


def test_the_operators_list_opens_what_it_names_and_no_more() -> None:
    policy = EgressPolicy(allowed=("erp.hospital.local", "10.20.0.0/16"))
    policy.check_url("http://erp.hospital.local/x")
    policy.check_url("http://10.20.3.4/x")
    assert policy.check_addresses("erp.hospital.local", ["10.99.0.1"]) == ["10.99.0.1"]
    assert policy.check_addresses("other.example.com", ["10.20.9.9"]) == ["10.20.9.9"]
    for url in ("http://10.21.0.1/", "http://other.hospital.local/", "http://127.0.0.1/"):
        assert refused(policy, url)
    with pytest.raises(Incorrect, match="neither a host name nor a network"):
        EgressPolicy(allowed=("http://erp",))


def refused(policy: EgressPolicy, url: str) -> bool:
    try:
        policy.check_url(url)
    except Incorrect as refusal:
        return refusal.code == "EGRESS_REFUSED"
    return False


@given(address=st.ip_addresses())
def test_no_address_passes_that_python_calls_private(address: object) -> None:
    if not getattr(address, "is_global", False) or getattr(address, "is_multicast", False):
        assert not SERVE.allows(address)


def names(**known: Sequence[str]) -> Callable[[str, int], Sequence[str]]:
    """A resolver of this test; a list of lists is answered one after the other."""

    def resolve(host: str, port: int) -> Sequence[str]:
        found = known.get(host.split(".", maxsplit=1)[0])
        if not found:
            raise OSError("no such name")
        return found

    return resolve


async def fetch(outbound: Outbound, url: str, kind: str) -> httpx.Response:
    """One POST through any of the three clients."""
    if kind == "async":
        async with make_async_client(outbound) as client:
            return await client.post(url, content=b"{}")
    if kind == "poster":
        poster = Poster(outbound)
        try:
            answer = await poster.post(url, {}, b"{}")
            return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)
        finally:
            await poster.aclose()

    def blocking() -> httpx.Response:
        with make_client(outbound) as client:
            return client.post(url, content=b"{}")

    return await asyncio.to_thread(blocking)


KINDS = ["async", "threads", "poster"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "addresses", [["10.0.0.5"], ["169.254.169.254"], ["127.0.0.1", "10.0.0.5"], ["::ffff:10.0.0.5"], ["fe80::1"]]
)
def test_a_name_that_leads_inside_is_refused_at_the_connection(kind: str, addresses: list[str]) -> None:
    """`hooks.localhost` passes by its text in dev; what it leads to decides."""

    async def story() -> None:
        outbound = Outbound("t", DEV, TIMEOUTS, resolver=names(hooks=addresses))
        with pytest.raises(Incorrect, match="not public"):
            await fetch(outbound, "http://hooks.localhost:9/", kind)

    asyncio.run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebinding_name_reaches_only_the_address_that_was_checked(kind: str) -> None:
    """The name is resolved once for each connection, and the connection goes to that answer."""

    async def story() -> None:
        asked: list[str] = []

        def rebinds(host: str, port: int) -> Sequence[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.5"]

        async with Receiver() as receiver:
            outbound = Outbound("t", DEV, TIMEOUTS, resolver=rebinds)
            answer = await fetch(outbound, f"http://hooks.localhost:{receiver.port}/x", kind)
            assert answer.status_code == 200
            assert receiver.received[0].headers["host"] == f"hooks.localhost:{receiver.port}"
            assert asked == ["hooks.localhost"]
            with pytest.raises(Incorrect):
                await fetch(outbound, f"http://hooks.localhost:{receiver.port}/x", kind)
            assert len(receiver.received) == 1

    asyncio.run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_is_answered_not_followed(kind: str) -> None:
    async def story() -> None:
        async with Receiver(lambda _: Reply(302, b"", {"Location": "http://169.254.169.254/"})) as receiver:
            answer = await fetch(Outbound("t", DEV, TIMEOUTS), receiver.url, kind)
            assert answer.status_code == 302
            assert len(receiver.received) == 1

    asyncio.run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_address_is_tried_when_the_first_does_not_answer(kind: str) -> None:
    async def story() -> None:
        async with Receiver() as receiver:
            outbound = Outbound("t", DEV, TIMEOUTS, resolver=names(hooks=["127.0.0.9", "127.0.0.1"]))
            answer = await fetch(outbound, f"http://hooks.localhost:{receiver.port}/x", kind)
            assert answer.status_code == 200

    asyncio.run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_does_not_resolve_is_a_connection_that_failed(kind: str) -> None:
    async def story() -> None:
        with pytest.raises(httpx.ConnectError, match="does not resolve"):
            await fetch(Outbound("t", SERVE, TIMEOUTS, resolver=names()), "https://nobody.example.com/", kind)

    asyncio.run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_the_total_time_is_bounded_although_bytes_keep_coming(kind: str) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" if kind == "poster" else b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"a: b\r\n")
            try:
                await writer.drain()
            except ConnectionError:
                return
            await asyncio.sleep(0.05)

    async def story() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        timeouts = Timeouts(connect_s=1, read_s=1, total_s=0.4)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(httpx.TimeoutException):
            await fetch(Outbound("t", DEV, timeouts), f"http://127.0.0.1:{port}/", kind)
        assert asyncio.get_running_loop().time() - begun < 2
        server.close()

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["async", "threads"])
@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"x" * 20_001),
        Reply(body=gzip.compress(b"x" * 5_000_000), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["long", "compressed"],
)
def test_a_large_or_compressed_answer_is_not_read(kind: str, reply: Reply) -> None:
    async def story() -> None:
        async with Receiver(lambda _: reply) as receiver:
            with pytest.raises(ResponseTooLarge):
                await fetch(Outbound("t", DEV, TIMEOUTS, response_bytes_max=20_000), receiver.url, kind)
            assert receiver.received[0].headers["accept-encoding"] == "identity"

    asyncio.run(story())


def test_a_host_that_fails_is_left_alone_then_probed() -> None:
    async def story() -> None:
        settings = BreakerSettings(failures_max=3, open_s=0.2)
        outbound = Outbound("t", DEV, TIMEOUTS, settings)
        async with Receiver(lambda _: Reply(500)) as receiver, make_async_client(outbound) as client:
            for _ in range(3):
                assert (await client.post(receiver.url)).status_code == 500
            with pytest.raises(CircuitOpen) as opened:
                await client.post(receiver.url)
            assert 0 < opened.value.retry_after_s <= 0.2
            assert len(receiver.received) == 3
            receiver.behaviour = lambda _: Reply()
            await asyncio.sleep(0.25)
            assert (await client.post(receiver.url)).status_code == 200
            assert (await client.post(receiver.url)).status_code == 200

    asyncio.run(story())


def test_the_breaker_step_by_step() -> None:
    now = 100.0
    breaker = Breaker(BreakerSettings(failures_max=2, open_s=5, open_s_max=12), lambda: now)
    breaker.failed("a")
    breaker.succeeded("a")
    breaker.failed("a")
    assert breaker.state("a") == "closed"
    breaker.failed("a")
    assert (breaker.state("a"), breaker.state("b")) == ("open", "closed")
    now = 105.0
    assert breaker.state("a") == "half-open"
    breaker.enter("a")
    with pytest.raises(CircuitOpen):
        breaker.enter("a")
    breaker.abandoned("a")
    breaker.enter("a")
    for wait_s in (10, 12, 12):
        breaker.failed("a")
        now += wait_s - 0.1
        with pytest.raises(CircuitOpen):
            breaker.enter("a")
        now += 0.1
        breaker.enter("a")
    breaker.succeeded("a")
    assert breaker.state("a") == "closed"


def test_the_poster_keeps_connections_and_replaces_those_that_were_closed() -> None:
    async def story() -> None:
        async with Receiver() as receiver:
            poster = Poster(Outbound("t", DEV, TIMEOUTS))
            for _ in range(3):
                await poster.post(receiver.url, {"a": "b"}, b"{}")
            assert len(receiver._writers) == 1
            for writer in tuple(receiver._writers):
                writer.close()
            await asyncio.sleep(0.05)
            assert (await poster.post(receiver.url, {}, b"{}")).status == 200
            answers = await asyncio.gather(*(poster.post(receiver.url, {}, b"%d" % n) for n in range(20)))
            assert {answer.status for answer in answers} == {200}
            assert sorted(int(got.body) for got in receiver.received[4:]) == list(range(20))
            await poster.aclose()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbroken off", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 70_000, 200),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "not HTTP|changes"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"HTTP/1.1 ", "broke off"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: " + b"x" * 70_000, "too long|not HTTP"),
    ],
)
def test_the_poster_reads_whatever_a_host_may_say(raw: bytes, outcome: int | str) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(raw)
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(say, "127.0.0.1", 0)
        poster = Poster(Outbound("t", DEV, TIMEOUTS))
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        if isinstance(outcome, int):
            assert (await poster.post(url, {}, b"{}")).status == outcome
        else:
            with pytest.raises(httpx.RemoteProtocolError, match=outcome):
                await poster.post(url, {}, b"{}")
        await poster.aclose()
        server.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@a.example:8443/p?token=s3cret&x=", "https://a.example:8443/p?token=***&x=***"),
        ("https://a.example/hooks/T024BE7LD0000000000000000000/x", "https://a.example/hooks/***/x"),
        ("https://a.example/claims/CLM-20241003-ABC123", "https://a.example/claims/CLM-20241003-ABC123"),
        ("http://[::1]:80/x#secret", "http://[::1]:80/x"),
        ("http://[bad", "***"),
    ],
)
def test_urls_are_shown_without_what_opens_anything(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert redact_text(f"cannot reach {url}") == f"cannot reach {shown}" or "[" in url


def test_headers_are_shown_only_when_they_are_known_to_hold_no_credential() -> None:
    shown = redact_headers([("Authorization", "Bearer x"), ("X-API-Key", "k"), ("Webhook-Id", "1"), ("X-New", "v")])
    assert shown == {"authorization": "***", "x-api-key": "***", "webhook-id": "1", "x-new": "***"}


def test_the_libraries_below_log_no_urls(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        caplog.set_level(logging.DEBUG)
        async with Receiver() as receiver:
            await fetch(Outbound("t", DEV, TIMEOUTS), receiver.url + "?token=s3cret", "async")

    asyncio.run(story())
    assert "s3cret" not in caplog.text
