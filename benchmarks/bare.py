"""The yardstick: the least an ASGI endpoint can do. It reads the body, parses it with orjson and echoes it."""

import sys
from typing import Any

import orjson
import uvicorn


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer a request with its own parsed body; a GET with a small document."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = orjson.dumps(orjson.loads(body)) if body else b'{"status":"ok"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        echo,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
