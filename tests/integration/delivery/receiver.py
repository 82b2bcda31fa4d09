"""A receiver of webhooks on a real socket that hangs, fails and lies; what it was sent is written down."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener


@dataclass
class Request:
    """One request that came in whole; ``said`` is what was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    said: str = ""

    @property
    def name(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


Answerer = Callable[[Request, ByteStream], Awaitable[str]]


def plain(status: int, *headers: str, body: bytes = b"") -> Answerer:
    """Say this, and nothing special."""

    async def answer(request: Request, stream: ByteStream) -> str:
        lines = [f"HTTP/1.1 {status} So", f"content-length: {len(body)}", *headers, "", ""]
        await stream.send("\r\n".join(lines).encode() + body)
        return str(status)

    return answer


async def hangs(request: Request, stream: ByteStream) -> str:
    """Take the request, and never answer."""
    await anyio.sleep_forever()
    return ""


async def resets(request: Request, stream: ByteStream) -> str:
    """Take the request, and cut the line."""
    await stream.aclose()
    return "cut"


def flaky(share: float, seed: int) -> Answerer:
    """Fail so often: with 500, with 503 and a date long gone, without a word, or after it was taken."""
    random = Random(seed)

    async def answer(request: Request, stream: ByteStream) -> str:
        if random.random() >= share:
            return await plain(200)(request, stream)
        return await random.choice([plain(500), plain(503, "retry-after: 0"), resets])(request, stream)

    return answer


@dataclass
class Receiver:
    """Answers as ``answer`` does; ``taken`` are the requests, in their order."""

    answer: Answerer = field(default_factory=lambda: plain(200))
    taken: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    by_path: dict[str, Answerer] = field(default_factory=dict)

    def url(self, path: str = "/hook", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def accepted(self, path: str | None = None) -> list[Request]:
        """Those that were answered with success."""
        return [each for each in self.taken if each.said == "200" and path in (None, each.path)]

    async def serve(self, stream: ByteStream) -> None:
        self.connections += 1
        try:
            async with stream:
                reader = BufferedByteReceiveStream(stream)
                while True:
                    request = await _request(reader)
                    self.taken.append(request)
                    request.said = await self.by_path.get(request.path, self.answer)(request, stream)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead):
            return


async def _request(reader: BufferedByteReceiveStream) -> Request:
    head = (await reader.receive_until(b"\r\n\r\n", 65_536)).decode()
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Request(first.split(" ")[1], headers, await reader.receive_exactly(int(headers["content-length"])))


@asynccontextmanager
async def receiving(
    receiver: Receiver | None = None, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that listens while the block runs."""
    found = receiver or Receiver()
    listener: Any = await anyio.create_tcp_listener(local_host=host, local_port=found.port)
    found.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no database: an anyio listener
    if tls is not None:
        listener = TLSListener(listener, tls, standard_compatible=False)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, found.serve)
        yield found
        group.cancel_scope.cancel()
