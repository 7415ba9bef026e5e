"""A write never waits for an event loop that stands still, even where that loop was given the turn."""

import asyncio
import threading

from kiungo.kernel.database import Database


def test_a_write_goes_on_while_the_loop_that_has_the_turn_is_paused(database: Database) -> None:
    loop = asyncio.new_event_loop()
    tasks: list[asyncio.Task[int]] = []

    async def leave_one_behind() -> None:
        tasks.append(asyncio.ensure_future(database.write_async(lambda unit: 1, brief=True)))

    loop.run_until_complete(leave_one_behind())  # the loop stops with the unit in its queue
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(database.write(lambda unit: 2)), daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert answers == [2]
    assert loop.run_until_complete(tasks[0]) == 1
    loop.close()
