"""What works without being asked: jobs, webhook deliveries, the sealing of the audit trail."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from kiungo.app.housekeeping import Housekeeping
from kiungo.base.errors import Unavailable
from kiungo.fhir.indexing.counting import settle_counts
from kiungo.fhir.indexing.fresh_words import settle_words
from kiungo.kernel.audit import BLOCK_ROWS_MAX, seal_block, seal_pending
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database
from kiungo.kernel.jobs.worker import Worker
from kiungo.kernel.webhooks import Dispatcher, Webhooks

WORDS_INTERVAL_S = 1.0
SEAL_PAUSE_S = 0.05  # between full blocks: the calls being answered come first

_log = structlog.get_logger("kiungo.background")


class Background:
    """Starts with the server, or alone under `kiungo worker`; stops after finishing what it began."""

    def __init__(self, database: Database, webhooks: Webhooks, settings: Settings, housekeeping: Housekeeping) -> None:
        self._database = database
        self._webhooks = webhooks
        self._housekeeping = housekeeping
        self._interval_s = settings.audit_seal_interval_s
        self._seal_key = settings.audit_seal_key.get_secret_value().encode() if settings.audit_seal_key else b""
        self._worker = Worker(database, housekeeping.handlers)
        self._dispatcher: Dispatcher | None = None
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin, on the running event loop."""
        await self._database.write_async(self._housekeeping.declare)
        self._dispatcher = self._webhooks.dispatcher()
        works = (
            self._worker.run(),
            self._dispatcher.run(),
            self._seal_now_and_then(),
            self._settle_words_now_and_then(),
        )
        self._tasks = [asyncio.create_task(work) for work in works]

    async def stop(self) -> None:
        """Finish what was begun, seal what was written, and return."""
        self._stopping.set()
        self._worker.stop()
        if self._dispatcher is not None:
            self._dispatcher.stop()
        await asyncio.gather(*self._tasks)

    async def _seal_now_and_then(self) -> None:
        while not self._stopping.is_set():
            full = await self._sealed(seal_block) >= BLOCK_ROWS_MAX
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), SEAL_PAUSE_S if full else self._interval_s)
        await self._sealed(seal_pending)

    async def _sealed(self, seal: Callable[[Database, bytes], int]) -> int:
        try:
            return await asyncio.to_thread(seal, self._database, self._seal_key)
        except Unavailable as error:
            _log.warning("seal_failed", code=error.code)
            return 0

    async def _settle_words_now_and_then(self) -> None:
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(settle_counts, self._database)
                await asyncio.to_thread(settle_words, self._database)
            except Unavailable as error:
                _log.warning("words_not_settled", code=error.code)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), WORDS_INTERVAL_S)
