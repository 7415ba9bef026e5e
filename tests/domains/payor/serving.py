"""The whole system, really served, for the tests that speak HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kiungo.app.sample_data import load_sample_data
from kiungo.app.server import listen, serve
from kiungo.app.system import System, open_system
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.config import load_settings


@dataclass
class Served:
    """A running system, its address, and the keys of its sample people."""

    system: System
    url: str
    keys: dict[str, str]
    client: httpx.Client

    def post(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> httpx.Response:
        return self.client.post(path, json=body, headers=self._headers(key, headers))

    def get(self, path: str, *, key: str | None = None, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=self._headers(key, headers))

    def key(self, name: str, *, scopes: tuple[str, ...] = (), provider: str | None = None) -> str:
        """A new key."""
        bindings = {"provider": provider} if provider else None
        made = self.system.database.write(
            lambda unit: create_key(unit, system_call(1), name=name, scopes=scopes, bindings=bindings)
        )
        return made[1]

    def _headers(self, key: str | None, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return named | ({"X-API-Key": self.keys.get(key, key)} if key else {})


@contextmanager
def served(database_url: str, data_dir: Path, **settings: Any) -> Iterator[Served]:
    """Serve in a thread until the block ends."""
    read = load_settings(
        database_url=database_url, data_dir=data_dir, **{"mode": "dev", "port": 0, "log_level": "error", **settings}
    )
    system = open_system(read)
    keys = dict(load_sample_data(system)) if read.mode != "serve" else {}
    listening = listen("127.0.0.1", 0)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop: list[asyncio.Event] = []

    async def run() -> None:
        stop.append(asyncio.Event())
        await serve(system.site, read, listening, ready=ready.set, stop=stop[0])

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        with httpx.Client(base_url=listening.url, timeout=30) as client:
            yield Served(system, listening.url, keys, client)
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join(20)
        system.close()
