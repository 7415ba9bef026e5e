"""Deliveries over real HTTP on both engines: signed, in order, retried, given up, replayed."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from standardwebhooks import Webhook

from kiungo.kernel.clients import Timeouts
from kiungo.kernel.database import Database
from kiungo.kernel.webhooks import Endpoint, RetrySchedule, Webhooks, endpoints, log
from kiungo.kernel.webhooks.model import Delivery
from kiungo.kernel.webhooks.signatures import document_signature, standard_form

from .receiver import Received, Receiver, Reply

SECRET = "your-webhook-secret"
Make = Callable[..., Webhooks]


@asynccontextmanager
async def delivering(webhooks: Webhooks) -> AsyncIterator[None]:
    """The dispatcher runs beside the test, and ends cleanly with it."""
    dispatcher = webhooks.dispatcher(rng=Random(1))
    running = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        dispatcher.stop()
        await asyncio.wait_for(running, 10)


async def register(webhooks: Webhooks, database: Database, url: str, **given: object) -> Endpoint:
    values = {"tenant": 1, "owner": "PROV-001", "events": ["claim_status_update"], "secret": SECRET} | given
    endpoint, _ = await database.write_async(lambda unit: webhooks.register(unit, url=url, **values))
    return endpoint


async def emit(
    webhooks: Webhooks, database: Database, number: int = 1, *, owner: str = "PROV-001", subject: str = ""
) -> int:
    payload = {"event_type": "claim_status_update", "number": number, "patient_name": "John Doe"}
    return await database.write_async(
        lambda unit: webhooks.emit(
            unit,
            tenant=1,
            owner=owner,
            event="claim_status_update",
            payload=payload,
            subject=subject or f"CLM-{number}",
        )
    )


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 45.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.01)


async def logged(database: Database, endpoint: Endpoint) -> list[Delivery]:
    return await database.read_async(lambda unit: log.deliveries(unit, 1, endpoint=endpoint.id))


async def all_settled(database: Database, endpoint: Endpoint, count: int) -> bool:
    found = await logged(database, endpoint)
    return len(found) == count and all(delivery.state != "due" for delivery in found)


def verified(got: Received, secret: str = SECRET) -> dict:
    """What the Standard Webhooks library and the document's header both accept."""
    body = Webhook(standard_form(secret)).verify(got.body, got.headers)
    assert got.headers["x-webhook-signature"] == document_signature(secret.encode(), got.body)
    return body


def test_an_event_arrives_signed_and_is_logged(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            assert await emit(webhooks, database) == 1
            await receiver.wait_for(1)
            body = verified(receiver.received[0])
            assert body["number"] == 1
            assert body["sequence"] == 1
            assert receiver.received[0].headers["content-type"] == "application/json"
            await until(lambda: all_settled(database, endpoint, 1))
            [delivery] = await logged(database, endpoint)
            assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 1, 200)
            assert delivery.id == receiver.received[0].headers["webhook-id"]
            [attempt] = await database.read_async(lambda unit: log.attempts(unit, 1, delivery.id))
            assert (attempt.status, attempt.error, attempt.snippet) == (200, None, None)
            assert attempt.duration_us > 0

    asyncio.run(story())


def test_only_active_endpoints_of_the_owner_that_want_the_event_get_it(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            await register(webhooks, database, receiver.url + "/a", events=["payment_processed"])
            await register(webhooks, database, receiver.url + "/b", active=False)
            await register(webhooks, database, receiver.url + "/c", owner="PROV-002")
            await register(webhooks, database, receiver.url + "/d", tenant=2)
            assert await emit(webhooks, database) == 0
            await register(webhooks, database, receiver.url + "/e")
            assert await emit(webhooks, database) == 1
            await receiver.wait_for(1)
            assert [got.path for got in receiver.received] == ["/webhooks/payor-claims/e"]

    asyncio.run(story())


def test_an_event_of_a_unit_that_fails_is_never_told(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)

            def fails(unit: object) -> None:
                webhooks.emit(
                    unit,
                    tenant=1,
                    owner="PROV-001",
                    event="claim_status_update",
                    payload={"number": 0},
                    subject="CLM-0",
                )
                raise RuntimeError("the claim was not stored")

            with pytest.raises(RuntimeError):
                await database.write_async(fails)
            await emit(webhooks, database, 1)
            await receiver.wait_for(1)
            await until(lambda: all_settled(database, endpoint, 1))
            assert [json.loads(got.body)["number"] for got in receiver.received] == [1]

    asyncio.run(story())


def test_an_endpoint_registered_by_a_unit_that_fails_gets_nothing(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)

        def fails(unit: object) -> None:
            webhooks.register(unit, tenant=1, owner="PROV-001", url="https://a.example/x", events=["payment_processed"])
            webhooks.emit(unit, tenant=1, owner="PROV-001", event="payment_processed", payload={"a": 1}, subject="s")
            raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            await database.write_async(fails)
        assert await emit(webhooks, database) == 0

    asyncio.run(story())


def test_one_subjects_updates_arrive_in_order_and_numbered(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        rng = Random(7)
        behaviour = lambda _: Reply(wait_s=rng.uniform(0, 0.02))  # noqa: E731
        async with Receiver(behaviour) as receiver, delivering(webhooks):
            await register(webhooks, database, receiver.url)
            for claim in range(20):

                def submitted_then_decided(unit: object, claim: int = claim) -> None:
                    for status in ("submitted", "approved"):
                        webhooks.emit(
                            unit,
                            tenant=1,
                            owner="PROV-001",
                            event="claim_status_update",
                            payload={"claim_id": claim, "status": status},
                            subject=f"CLM-{claim}",
                        )

                await database.write_async(submitted_then_decided)
            await receiver.wait_for(40)
            for claim in range(20):
                bodies = [json.loads(got.body) for got in receiver.received]
                mine = [(body["status"], body["sequence"]) for body in bodies if body["claim_id"] == claim]
                assert mine == [("submitted", 1), ("approved", 2)]

    asyncio.run(story())


def test_a_failing_receiver_is_retried_with_growing_waits_and_the_same_id(
    database: Database, make_webhooks: Make
) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        answers = iter([500, 503, 302, 200])
        behaviour = lambda _: Reply(next(answers), b"", {"Location": "http://127.0.0.1:1/"})  # noqa: E731
        async with Receiver(behaviour) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database)
            await receiver.wait_for(4)
            await until(lambda: all_settled(database, endpoint, 1))
            times = [got.at_s for got in receiver.received]
            gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert gaps[0] >= 0.05
            assert gaps[1] >= 0.1
            assert gaps[2] >= 0.2
            assert len({got.headers["webhook-id"] for got in receiver.received}) == 1
            assert len({got.body for got in receiver.received}) == 1
            [delivery] = await logged(database, endpoint)
            assert (delivery.state, delivery.attempts) == ("delivered", 4)
            attempts = await database.read_async(lambda unit: log.attempts(unit, 1, delivery.id))
            assert [(one.number, one.status) for one in attempts] == [(1, 500), (2, 503), (3, 302), (4, 200)]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (lambda _: Reply(500, b"John Doe is unknown"), "4 attempts failed; the last: answered 500"),
        (lambda _: Reply(400), "4 attempts failed; the last: answered 400"),
        (lambda _: Reply(301, headers={"Location": "/"}), "redirects are not followed"),
        (lambda _: Reply(hang_up=True), "RemoteProtocolError"),
        (lambda _: Reply(wait_s=5), "no answer in time"),
    ],
)
def test_a_receiver_that_never_takes_it_ends_in_the_dead_letters(
    database: Database, make_webhooks: Make, behaviour: Callable[[Received], Reply], reason: str
) -> None:
    async def story() -> None:
        timeouts = Timeouts(connect_s=0.2, read_s=0.2, total_s=0.2)
        webhooks = make_webhooks(database, timeouts=timeouts, schedule=RetrySchedule((0.01, 0.02, 0.04)))
        async with Receiver(behaviour) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database)
            await until(lambda: all_settled(database, endpoint, 1))
            assert len(receiver.received) == 4
            [dead] = await database.read_async(lambda unit: log.dead_letters(unit, 1))
            assert reason in (dead.reason or "")
            assert "John" not in repr(await database.read_async(lambda unit: log.attempts(unit, 1, dead.id)))

            receiver.behaviour = lambda _: Reply()
            await database.write_async(lambda unit: webhooks.requeue(unit, endpoint, dead.id))
            await receiver.wait_for(5)
            await until(lambda: all_settled(database, endpoint, 1))
            [delivery] = await logged(database, endpoint)
            assert (delivery.state, delivery.cause, delivery.attempts) == ("delivered", "requeue", 5)
            assert delivery.id == dead.id == receiver.received[-1].headers["webhook-id"]
            assert await database.read_async(lambda unit: log.dead_letters(unit, 1)) == []

    asyncio.run(story())


def test_nobody_listening_is_a_failed_attempt_too(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database, schedule=RetrySchedule((0.01, 0.02, 0.04)))
        async with Receiver() as receiver:
            url = receiver.url
        async with delivering(webhooks):
            endpoint = await register(webhooks, database, url)
            await emit(webhooks, database)
            await until(lambda: all_settled(database, endpoint, 1))
            [dead] = await logged(database, endpoint)
            assert "no connection" in (dead.reason or "")

    asyncio.run(story())


def test_retry_after_is_honoured(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        answers = iter([Reply(429, headers={"Retry-After": "1"}), Reply()])
        async with Receiver(lambda _: next(answers)) as receiver, delivering(webhooks):
            await register(webhooks, database, receiver.url)
            await emit(webhooks, database)
            await receiver.wait_for(2)
            assert receiver.received[1].at_s - receiver.received[0].at_s >= 1.0

    asyncio.run(story())


def test_410_disables_the_endpoint_and_activating_it_resumes(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver(lambda _: Reply(410)) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database, 1)
            await until(lambda: all_settled(database, endpoint, 1))
            disabled = await database.read_async(lambda unit: endpoints.get(unit, 1, endpoint.id))
            assert not disabled.active
            assert disabled.disabled_reason == "the receiver answered 410 Gone"
            [dead] = await logged(database, endpoint)
            assert "410" in (dead.reason or "")
            assert len(receiver.received) == 1
            assert await emit(webhooks, database, 2) == 0

            receiver.behaviour = lambda _: Reply()
            change = endpoints.Change(active=True)
            active = await database.write_async(lambda unit: webhooks.change(unit, disabled, change))
            assert active.active
            assert active.disabled_reason is None
            assert await emit(webhooks, database, 3) == 1
            await receiver.wait_for(2)

    asyncio.run(story())


def test_an_inactive_endpoint_keeps_what_is_due_until_it_is_active(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver(lambda _: Reply(500)) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database, 1)
            await receiver.wait_for(1)
            off, on = endpoints.Change(active=False), endpoints.Change(active=True)
            paused = await database.write_async(lambda unit: webhooks.change(unit, endpoint, off))
            await asyncio.sleep(0.3)
            assert len(receiver.received) <= 2
            receiver.behaviour = lambda _: Reply()
            await database.write_async(lambda unit: webhooks.change(unit, paused, on))
            await until(lambda: all_settled(database, endpoint, 1))
            [delivery] = await logged(database, endpoint)
            assert delivery.state == "delivered"

    asyncio.run(story())


def test_a_dead_receiver_delays_nobody(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        timeouts = Timeouts(connect_s=1, read_s=5, total_s=5)
        webhooks = make_webhooks(database, timeouts=timeouts)
        async with (
            Receiver(lambda _: Reply(wait_s=3.5)) as dead,
            Receiver() as alive,
            delivering(webhooks),
        ):
            for number in range(30):
                await register(webhooks, database, f"{dead.url}/{number}", owner="PROV-DEAD")
            await register(webhooks, database, alive.url)
            for number in range(3):
                assert await emit(webhooks, database, number, owner="PROV-DEAD") == 30
            begun = asyncio.get_running_loop().time()
            for number in range(20):
                await emit(webhooks, database, number)
            await alive.wait_for(20)
            assert asyncio.get_running_loop().time() - begun < 3.0

    asyncio.run(story())


def test_a_replayed_period_has_the_same_ids_and_new_timestamps(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            for number in range(3):
                await emit(webhooks, database, number)
            await until(lambda: all_settled(database, endpoint, 3))
            middle = sorted(delivery.created_us for delivery in await logged(database, endpoint))[1]
            await asyncio.sleep(1.1)
            count = await database.write_async(
                lambda unit: webhooks.replay(unit, endpoint, since_us=middle, until_us=middle + 10**9)
            )
            assert count == 2
            await receiver.wait_for(5)
            first = {got.headers["webhook-id"]: got for got in receiver.received[:3]}
            for again in receiver.received[3:]:
                before = first[again.headers["webhook-id"]]
                assert again.body == before.body
                assert int(again.headers["webhook-timestamp"]) > int(before.headers["webhook-timestamp"])
                assert again.headers["webhook-signature"] != before.headers["webhook-signature"]
                verified(again)

    asyncio.run(story())


def test_rotation_signs_with_both_secrets_until_the_overlap_ends(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            new, _ = await database.write_async(lambda unit: webhooks.rotate_secret(unit, endpoint, overlap_s=0.5))
            await emit(webhooks, database, 1)
            await receiver.wait_for(1)
            for secret in (new, SECRET):
                Webhook(standard_form(secret)).verify(receiver.received[0].body, receiver.received[0].headers)
            await asyncio.sleep(0.6)
            await emit(webhooks, database, 2)
            await receiver.wait_for(2)
            last = receiver.received[1]
            Webhook(new).verify(last.body, last.headers)
            assert len(last.headers["webhook-signature"].split(" ")) == 1
            assert "x-webhook-signature-previous" not in last.headers

    asyncio.run(story())


def test_a_ping_arrives_whatever_the_endpoint_listens_to(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url, events=["payment_processed"])
            delivery_id = await database.write_async(lambda unit: webhooks.ping(unit, endpoint))
            await receiver.wait_for(1)
            assert verified(receiver.received[0])["event_type"] == "ping"
            assert receiver.received[0].headers["webhook-id"] == delivery_id

    asyncio.run(story())


def test_a_deleted_endpoint_gets_nothing_more(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver(lambda _: Reply(500)) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database, 1)
            await receiver.wait_for(1)
            await database.write_async(lambda unit: webhooks.delete(unit, endpoint))
            assert await emit(webhooks, database, 2) == 0
            await asyncio.sleep(0.3)
            assert len(receiver.received) <= 2
            [dead] = await database.read_async(lambda unit: log.dead_letters(unit, 1))
            assert dead.reason == "the endpoint was deleted"
            assert await database.read_async(lambda unit: unit.value("SELECT COUNT(*) FROM secret")) == 0
            await register(webhooks, database, receiver.url)

    asyncio.run(story())


def test_old_delivered_bodies_are_forgotten_and_dead_letters_kept(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database, 1)
            await until(lambda: all_settled(database, endpoint, 1))
            receiver.behaviour = lambda _: Reply(410)
            await emit(webhooks, database, 2)
            await until(lambda: all_settled(database, endpoint, 2))
            later_us = database.clock.now_us() + 1
            assert await database.write_async(lambda unit: log.forget(unit, 1, created_before_us=later_us)) == 1
            assert [delivery.state for delivery in await logged(database, endpoint)] == ["dead"]

    asyncio.run(story())
