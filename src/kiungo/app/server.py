"""Serving: uvicorn with uvloop and httptools around the site, and the worker beside it."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn

BACKLOG = 2048
SHUTDOWN_S = 20


@dataclass(frozen=True, slots=True)
class Listening:
    """An open listening socket and the address people use for it."""

    socket: socket.socket
    url: str


def listen(host: str, port: int) -> Listening:
    """Take the port before anything else starts, so that a busy one is told at once. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((host, port))
    opened.listen(BACKLOG)
    bound = opened.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return Listening(opened, f"http://{shown}:{bound}")


async def serve(app: Any, listening: Listening, *, ready: Callable[[], None] | None = None) -> None:
    """Serve an ASGI app on an open socket until SIGINT or SIGTERM; `ready` is called once it accepts."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=SHUTDOWN_S,
        backlog=BACKLOG,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening.socket]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event to wait on
        await asyncio.sleep(0.005)
    if ready is not None and server.started:
        ready()
    await task
