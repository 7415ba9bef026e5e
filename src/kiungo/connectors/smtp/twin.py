"""A simulated mail relay on a real socket: keeps what it takes, refuses and hangs up by seed.

busy   451 at the recipient      unknown_user   550 at the recipient
lost   takes the content, then hangs up without a word
"""

import email
import socketserver
import threading
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from kiungo.kernel.sandbox import Faults

CONTENT_BYTES_MAX = 5_000_000


@dataclass(slots=True)
class SmtpTwin:
    """One relay. `messages` is what mailboxes would have received: address and message."""

    faults: Faults
    host: str = "127.0.0.1"
    port: int = 0
    messages: list[tuple[str, Message]] = field(default_factory=list)
    _server: socketserver.ThreadingTCPServer | None = None

    def start(self) -> None:
        """Listen; `port` 0 takes any free one and then says which."""
        twin = self

        class Handler(_Conversation):
            relay = twin

        self._server = _Server((self.host, self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is its own affair."""


class _Conversation(socketserver.StreamRequestHandler):
    relay: SmtpTwin

    def handle(self) -> None:
        """Speak SMTP until the client leaves. Source: RFC 5321."""
        self._say("220 twin ESMTP")
        recipient = ""
        while line := self.rfile.readline(4_096):
            verb = line[:4].upper().strip()
            if verb in (b"EHLO", b"HELO"):
                self._say("250 twin")
            elif verb == b"RCPT":
                recipient = line.decode("latin-1").partition("<")[2].partition(">")[0]
                self._say(self._answer_recipient())
            elif verb == b"DATA":
                self._say("354 go on")
                content = self._content()
                self.relay.messages.append((recipient, email.message_from_bytes(content)))
                if self.relay.faults.strikes("lost"):
                    return
                self._say("250 taken")
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _answer_recipient(self) -> str:
        if self.relay.faults.strikes("busy"):
            return "451 try again later"
        if self.relay.faults.strikes("unknown_user"):
            return "550 no such user"
        return "250 ok"

    def _content(self) -> bytes:
        lines: list[bytes] = []
        size = 0
        while (line := self.rfile.readline(4_096)) and line != b".\r\n" and size < CONTENT_BYTES_MAX:
            lines.append(line[1:] if line.startswith(b"..") else line)
            size += len(line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
