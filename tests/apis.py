"""The HTTP interface over a real socket in the loop of the test, and a client of its events that speaks plain HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from agents.parts import Program
from agents.web.serving import Server, listening, server
from bus.protocol import Bus, Place
from console.api.application import Application
from contracts.events import AlertChanged, Event
from contracts.frames import encode
from contracts.settings import ApiSettings, ArchiveSettings, Settings


@dataclass
class RunningApi:
    """An interface that answers."""

    port: int
    application: Application
    serving: Server


@asynccontextmanager
async def running_api(
    bus: Bus, settings: Settings | None = None, *, program: Program | None = None, **api: Any
) -> AsyncIterator[RunningApi]:
    """Inside a test: it has a task group of its own."""
    limits = ApiSettings.model_validate(api)
    # A memory bus has no archive; a test that wants one says where.
    settings = settings or Settings(data_dir=Path("/nonexistent"), archive=ArchiveSettings(enabled=False))
    settings = settings.model_copy(update={"api": limits})
    application = Application(settings, bus, program=program)
    serving = server(application.app(), limits.header_timeout_s, limits.subscribers)
    with closing(listening("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(serving.serve, [listener])
            try:
                await until(lambda: serving.started)
                yield RunningApi(listener.getsockname()[1], application, serving)
            finally:
                application.hub.close("the test ends")
                serving.should_exit = True


@dataclass
class Client:
    """One connection to ``/api/v1/events``; ``last`` is the id that a browser would come back with."""

    port: int
    query: str = ""
    last: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    answer: dict[str, str] = field(default_factory=dict)
    path: str = "/api/v1/events"
    _reader: Any = None
    _writer: Any = None
    _text: bytes = b""

    async def __aenter__(self) -> "Client":
        self._text = b""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        try:
            await self._ask()
        except BaseException:
            self.cut()
            raise
        return self

    async def _ask(self) -> None:
        headers = {"Host": "localhost", **self.headers} | ({"Last-Event-ID": self.last} if self.last else {})
        lines = [f"GET {self.path}{self.query} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.answer = {name.lower(): text for name, _, text in (line.partition(": ") for line in head[1:-2])}

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Drop the connection, as a network does."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer.close()

    async def block(self) -> dict[str, str]:
        """The next block between two empty lines; ``id`` is kept as a browser keeps it."""
        while b"\n\n" not in self._text:
            size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
            if size == 0:
                raise EOFError
            self._text += (await self._reader.readexactly(size + 2))[:-2]
        block, _, self._text = self._text.partition(b"\n\n")
        found = dict(line.partition(": ")[::2] for line in block.decode().split("\n"))
        self.last = found.get("id", self.last)
        return found

    async def event(self) -> tuple[str, dict[str, Any]]:
        """Type and data of the next message."""
        while True:
            found = await self.block()
            if "data" in found:
                return found["event"], json.loads(found["data"])

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The data of the next messages."""
        return [(await self.event())[1] for _ in range(count)]


def alerts(first: int, count: int, asset: str = "pump-1", **fields: Any) -> list[Event]:
    """Changes of alerts, numbered by their time."""
    body: dict[str, Any] = {
        "key": f"anomaly:{asset}", "kind": "anomaly", "change": "opened", "state": "open", "severity": "warning",
        "labels": {"asset": asset}, "summary": "too high", "finding": "f", "latest": "f",
    } | fields  # fmt: skip
    return [
        AlertChanged.of(cause="c", time=n, asset=asset, alert=f"a{n}", began=n, last=n, findings=1, **body)
        for n in range(first, first + count)
    ]


async def put(bus: Bus, events: Sequence[Event], partition: int = 0) -> int:
    """Append to the log; returns the last ordinal."""
    return await bus.append(Place(events[0].stream, partition), list(encode(events, "test")))


async def until(what: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere in this loop; the test's own time limit ends it."""
    while not what():  # noqa: ASYNC110 - what is waited for has no event
        await anyio.sleep(0.01)
