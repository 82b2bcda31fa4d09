"""Somebody who is told: an HTTP server that notes when what came, and may hang."""

import json
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: A path that begins so is never answered.
HANGS = "/hangs"


@dataclass
class Receiver:
    """What came: path, body and moment (monotonic, s); ``held``: from when to when somebody waited for an answer."""

    heard: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    held: list[tuple[float, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Receiver":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._hear, self._hold))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def _hear(self, path: str, body: bytes) -> None:
        self.heard.append((time.monotonic(), path, json.loads(body)))

    def _hold(self, connection: socket.socket) -> None:
        """Say nothing until the other side gives up."""
        since = time.monotonic()
        while not self.stop.is_set() and not select.select([connection], [], [], 0.1)[0]:
            pass
        self.held.append((since, time.monotonic()))


def _handler(hear: Callable[[str, bytes], None], hold: Callable[[socket.socket], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            hear(self.path, body)
            if self.path.startswith(HANGS):
                hold(self.connection)
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
