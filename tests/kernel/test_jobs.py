"""Jobs: one effect each, retried with backoff, buried with a reason, never lost with a dying worker."""

import asyncio
import threading
import time
from random import Random

import pytest

from kiungo.base.errors import NotFound
from kiungo.kernel import json, schedule
from kiungo.kernel.database import Database, open_database
from kiungo.kernel.jobs import Dead, Job, Retry, dead_letters, discard, enqueue, lag_s, queue, requeue
from kiungo.kernel.jobs.backoff import full_jitter_s
from kiungo.kernel.jobs.worker import Worker, run_due
from kiungo.kernel.outbox import Outbox, as_job


@pytest.fixture
def effects(database: Database) -> Database:
    database.write(lambda unit: unit.execute("CREATE TABLE effect (n INTEGER, worker TEXT)"))
    return database


def add(kind: str, number: int, **options: object):
    return lambda unit: enqueue(unit, kind, {"n": number}, tenant=1, **options)


def effect_of(job: Job, worker: str = ""):
    return lambda unit: unit.execute("INSERT INTO effect VALUES (?, ?)", (job.args["n"], worker))


def effects_in(database: Database) -> list[int]:
    return [row[0] for row in database.read(lambda unit: unit.rows("SELECT n FROM effect ORDER BY n"))]


async def work_until(worker: Worker, done, timeout_s: float = 15) -> None:
    running = asyncio.create_task(worker.run())
    deadline = time.monotonic() + timeout_s
    while not done() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    worker.stop()
    await running
    assert done(), "the worker did not finish in time"


def test_jobs_run_once_each_in_threads_and_on_the_loop(effects: Database) -> None:
    def in_thread(job: Job):
        return effect_of(job)

    async def on_loop(job: Job):
        await asyncio.sleep(0)
        return effect_of(job)

    for number in range(20):
        effects.write(add("thread" if number % 2 else "loop", number))
    worker = Worker(effects, {"thread": in_thread, "loop": on_loop})
    asyncio.run(work_until(worker, lambda: len(effects_in(effects)) == 20))
    assert effects_in(effects) == list(range(20))
    assert effects.read(lambda unit: unit.value("SELECT count(*) FROM job")) == 0


def test_two_workers_never_run_a_job_twice_to_effect(effects: Database) -> None:
    effects.write(lambda unit: [add("n", number)(unit) for number in range(200)])
    second = open_database(effects.url)

    async def both() -> None:
        workers = [
            Worker(database, {"n": lambda job, name=name: effect_of(job, name)})
            for name, database in (("a", effects), ("b", second))
        ]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        deadline = time.monotonic() + 20
        while effects.read(lambda unit: unit.value("SELECT count(*) FROM job")) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for worker in workers:
            worker.stop()
        await asyncio.gather(*running)

    asyncio.run(both())
    second.close()
    assert effects_in(effects) == list(range(200))


def test_a_wake_starts_a_job_without_waiting_for_the_poll(effects: Database) -> None:
    delays: list[float] = []

    async def scenario() -> None:
        begun = asyncio.Event()

        async def handle(job: Job):
            delays.append(time.monotonic() - job.args["at"] / 1000)
            begun.set()

        worker = Worker(effects, {"n": handle})
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(0.3)
        at = int(time.monotonic() * 1000)
        await effects.write_async(lambda unit: enqueue(unit, "n", {"at": at}, tenant=1))
        await asyncio.wait_for(begun.wait(), 5)
        worker.stop()
        await running

    asyncio.run(scenario())
    assert delays[0] < 0.8, "the poll is a second; a wake is at once"


def test_a_failing_job_is_retried_then_buried_and_can_be_requeued(stepped_database: Database, clock) -> None:
    runs: list[int] = []

    def fails(job: Job):
        runs.append(job.attempt)
        raise RuntimeError("Jane Doe's record")

    stepped_database.write(add("n", 1, attempts_max=3))
    rng = Random(7)
    for _ in range(5):
        run_due(stepped_database, {"n": fails}, rng)
        clock.turn(seconds=3600)
    assert runs == [1, 2, 3]
    (letter,) = stepped_database.read(lambda unit: dead_letters(unit, 1))
    assert (letter.kind, letter.reason, letter.attempt) == ("n", "RuntimeError", 3)
    stepped_database.write(lambda unit: requeue(unit, 1, letter.id))
    assert run_due(stepped_database, {"n": lambda job: None}, rng) == 1
    assert stepped_database.read(lambda unit: dead_letters(unit, 1)) == []


def test_retry_and_dead_say_when_and_why_and_keep_their_effect(stepped_database: Database, clock) -> None:
    stepped_database.write(lambda unit: unit.execute("CREATE TABLE effect (n INTEGER, worker TEXT)"))
    answers = [Retry("busy", after_s=90, effect=lambda unit: unit.execute("INSERT INTO effect VALUES (1, '')"))]

    def handle(job: Job):
        raise answers.pop() if answers else Dead("gone", effect=lambda unit: unit.execute("DELETE FROM effect"))

    stepped_database.write(add("n", 1))
    assert run_due(stepped_database, {"n": handle}, Random(1)) == 1
    assert effects_in(stepped_database) == [1]
    clock.turn(seconds=89)
    assert run_due(stepped_database, {"n": handle}, Random(1)) == 0
    clock.turn(seconds=1)
    assert run_due(stepped_database, {"n": handle}, Random(1)) == 1
    assert stepped_database.read(lambda unit: dead_letters(unit, 1))[0].reason == "gone"
    assert effects_in(stepped_database) == []


def test_a_worker_that_lost_its_lease_leaves_no_effect(stepped_database: Database, clock) -> None:
    stepped_database.write(lambda unit: unit.execute("CREATE TABLE effect (n INTEGER, worker TEXT)"))
    stepped_database.write(add("n", 1))

    def too_slow(job: Job):
        if job.attempt == 1:
            clock.turn(seconds=61)
            (again,) = stepped_database.write(lambda unit: queue.claim(unit, count=1, allowance=lambda lane: 1))
            assert again.fence == job.fence + 1
        return effect_of(job)

    run_due(stepped_database, {"n": too_slow}, Random(1))
    assert effects_in(stepped_database) == []
    clock.turn(seconds=61)
    run_due(stepped_database, {"n": too_slow}, Random(1))
    assert effects_in(stepped_database) == [1]


def test_a_job_past_its_deadline_or_without_a_handler_is_buried(stepped_database: Database, clock) -> None:
    stepped_database.write(add("n", 1, deadline_us=clock.now_us() + 1))
    stepped_database.write(add("unknown", 2))
    clock.turn(seconds=1)
    run_due(stepped_database, {"n": lambda job: None}, Random(1))
    reasons = {letter.kind: letter.reason for letter in stepped_database.read(lambda unit: dead_letters(unit, 1))}
    assert "deadline" in reasons["n"]
    assert reasons["unknown"] == "no handler for jobs of kind unknown"


def test_a_key_waits_once_and_a_dead_letter_can_be_discarded(stepped_database: Database) -> None:
    assert stepped_database.write(add("n", 1, key="same"))
    assert not stepped_database.write(add("n", 2, key="same"))

    def refuse(job: Job):
        raise Dead("no")

    assert run_due(stepped_database, {"n": refuse}, Random(1)) == 1
    (letter,) = stepped_database.read(lambda unit: dead_letters(unit, 1, kind="n"))
    stepped_database.write(lambda unit: discard(unit, 1, letter.id))
    with pytest.raises(NotFound):
        stepped_database.write(lambda unit: requeue(unit, 1, letter.id))


def states_in(database: Database) -> list[tuple[str, int, int]]:
    """The rows of the queue: state, attempt and the number in the arguments."""
    rows = database.read(lambda unit: unit.rows("SELECT state, attempt, args FROM job ORDER BY id"))
    return [(state, attempt, json.loads(args)["n"]) for state, attempt, args in rows]


def claim_one(database: Database) -> list[Job]:
    return database.write(lambda unit: queue.claim(unit, count=1, allowance=lambda lane: 1))


def test_what_is_enqueued_while_its_key_runs_is_not_lost_and_waits_for_it(stepped_database: Database) -> None:
    stepped_database.write(add("n", 1, key="same"))
    (running,) = claim_one(stepped_database)
    assert stepped_database.write(add("n", 2, key="same"))
    assert not stepped_database.write(add("n", 3, key="same"))
    assert claim_one(stepped_database) == [], "jobs of one key never run at the same time"
    stepped_database.write(lambda unit: queue.acknowledge(unit, running))
    (newer,) = claim_one(stepped_database)
    assert newer.args["n"] == 2


def test_a_blocked_key_does_not_make_the_worker_look_again_and_again(stepped_database: Database, clock) -> None:
    stepped_database.write(add("n", 1, key="same"))
    claim_one(stepped_database)
    stepped_database.write(add("n", 2, key="same"))
    clock.turn(seconds=5)
    assert stepped_database.read(queue.next_due_us) is None
    assert stepped_database.read(lag_s) == 5


def test_a_dead_letter_does_not_block_its_key(stepped_database: Database) -> None:
    def refuse(job: Job):
        raise Dead("no")

    stepped_database.write(add("n", 1, key="same"))
    run_due(stepped_database, {"n": refuse}, Random(1))
    assert stepped_database.write(add("n", 2, key="same"))
    (letter,) = stepped_database.read(lambda unit: dead_letters(unit, 1))
    stepped_database.write(lambda unit: requeue(unit, 1, letter.id))
    assert states_in(stepped_database) == [("ready", 0, 2)], "the newer one runs for both"


def test_a_failed_job_gives_way_to_a_newer_one_of_its_key(stepped_database: Database) -> None:
    stepped_database.write(add("n", 1, key="same"))
    (older,) = claim_one(stepped_database)
    stepped_database.write(add("n", 2, key="same"))
    stepped_database.write(lambda unit: queue.put_back(unit, older, run_at_us=unit.now_us, reason="busy"))
    assert states_in(stepped_database) == [("ready", 1, 2)], "its attempts are carried on: work may have been begun"


def test_a_lost_lease_gives_way_to_a_newer_job_of_its_key(stepped_database: Database, clock) -> None:
    stepped_database.write(add("n", 1, key="same"))
    stepped_database.write(add("n", 9, key="other"))
    stepped_database.write(lambda unit: queue.claim(unit, count=2, allowance=lambda lane: 2))
    stepped_database.write(add("n", 2, key="same"))
    clock.turn(seconds=61)
    claimed = stepped_database.write(lambda unit: queue.claim(unit, count=5, allowance=lambda lane: 5))
    assert sorted((job.args["n"], job.attempt) for job in claimed) == [(2, 2), (9, 2)]


def test_a_lease_that_was_lost_already_removes_nothing(stepped_database: Database, clock) -> None:
    stepped_database.write(add("n", 1, key="same"))
    (stale,) = claim_one(stepped_database)
    clock.turn(seconds=61)
    (again,) = claim_one(stepped_database)
    stepped_database.write(add("n", 2, key="same"))
    stepped_database.write(lambda unit: queue.put_back(unit, stale, run_at_us=unit.now_us, reason="late"))
    assert states_in(stepped_database) == [("running", 2, 1), ("ready", 0, 2)]
    assert again.fence == stale.fence + 1


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_waiting_job_is_not_taken_before_the_unit_that_counts_on_it_commits(database: Database) -> None:
    """Otherwise it would run without what the unit wrote, and nothing would run afterwards."""
    database.write(add("n", 1, key="same"))
    counted, taken = threading.Event(), threading.Event()

    def count_on_it(unit: object) -> None:
        assert not enqueue(unit, "n", {"n": 2}, tenant=1, key="same")
        counted.set()
        assert taken.wait(10)

    thread = threading.Thread(target=lambda: database.write(count_on_it))
    thread.start()
    assert counted.wait(10)
    early = claim_one(database)
    taken.set()
    thread.join(10)
    assert early == []
    assert len(claim_one(database)) == 1


def test_a_schedules_due_time_and_an_event_become_one_job_each(stepped_database: Database, clock) -> None:
    stepped_database.write(lambda unit: schedule.ensure(unit, 1, "sweep", "*/10 * * * *", "n"))
    clock.turn(seconds=600)
    stepped_database.write(schedule.fire_due)
    (first,) = claim_one(stepped_database)
    stepped_database.write(schedule.fire_due)
    stepped_database.write(lambda unit: queue.acknowledge(unit, first))
    stepped_database.write(schedule.fire_due)
    assert claim_one(stepped_database) == [], "not while it ran, and not after it ran"

    outbox = Outbox({"claim.submitted": [as_job("n")]})
    for _ in range(2):
        stepped_database.write(
            lambda unit: outbox.publish(unit, tenant=1, topic="claim.submitted", aggregate="CLM-1", payload={})
        )
    seqs = []
    while jobs := claim_one(stepped_database):
        seqs += [job.args["seq"] for job in jobs]
        stepped_database.write(lambda unit, job=jobs[0]: queue.acknowledge(unit, job))
    assert len(seqs) == len(set(seqs)) == 2


def test_one_stuck_lane_does_not_hold_up_another(effects: Database) -> None:
    release = threading.Event()

    def handle(job: Job):
        if job.lane == "stuck":
            release.wait(10)
        return effect_of(job)

    effects.write(lambda unit: [add("n", number, lane="stuck")(unit) for number in range(30)])
    effects.write(add("n", 100, lane="free"))
    worker = Worker(effects, {"n": handle}, lane_limits=lambda lane: 1)

    def done() -> bool:
        if effects_in(effects) == [100]:
            release.set()
        return len(effects_in(effects)) == 31

    asyncio.run(work_until(worker, done))
    assert release.is_set(), "the free lane was done while the stuck one stood still"


def test_lag_is_the_wait_of_the_oldest_due_job(stepped_database: Database, clock) -> None:
    assert stepped_database.read(lag_s) == 0
    stepped_database.write(add("n", 1))
    clock.turn(seconds=12)
    assert stepped_database.read(lag_s) == 12


def test_a_schedule_fires_once_per_due_time_and_skips_what_was_missed(stepped_database: Database, clock) -> None:
    runs: list[int] = []

    def handle(job: Job) -> None:
        runs.append(job.args["scheduled_us"])

    stepped_database.write(lambda unit: schedule.ensure(unit, 1, "sweep", "*/10 * * * *", "sweep"))
    run_due(stepped_database, {"sweep": handle}, Random(1))
    assert runs == []
    clock.turn(seconds=600)
    run_due(stepped_database, {"sweep": handle}, Random(1))
    run_due(stepped_database, {"sweep": handle}, Random(1))
    assert len(runs) == 1
    clock.turn(seconds=3 * 3600)
    run_due(stepped_database, {"sweep": handle}, Random(1))
    assert len(runs) == 2


@pytest.mark.parametrize("attempt", [1, 5, 40])
def test_backoff_is_spread_between_nothing_and_its_cap(attempt: int) -> None:
    waits = [full_jitter_s(attempt, Random(seed), base_s=1, cap_s=100) for seed in range(200)]
    assert min(waits) >= 0
    assert max(waits) <= min(100, 2**attempt)
    assert max(waits) > 0.9 * min(100, 2**attempt)
