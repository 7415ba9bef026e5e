"""Serving: take the port, say so, run the site until told to stop."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from kiungo.kernel.config import Settings
from kiungo.kernel.http.server import server_of
from kiungo.kernel.http.site import Site

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Listening:
    """An open listening socket, its port, and the address people use for it."""

    socket: socket.socket
    port: int
    url: str


def listen(host: str, port: int) -> Listening:
    """Take the port before anything else starts, so that a busy one is told at once. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    bound: int = opened.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return Listening(opened, bound, f"http://{shown}:{bound}")


def own_url(settings: Settings) -> str:
    """Where this machine reaches what listens on the settings' host and port; every address includes loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host)  # noqa: S104
    if host is None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


async def serve(
    site: Site,
    settings: Settings,
    listening: Listening,
    *,
    ready: Callable[[], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve on an open socket until SIGINT, SIGTERM or `stop`; `ready` is called once it accepts."""
    server = server_of(site, settings)
    task = asyncio.create_task(server.serve(sockets=[listening.socket]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event to wait on
        await asyncio.sleep(0.005)
    if ready is not None and server.started:
        ready()
    if stop is not None:
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopped.cancel()
    await task
