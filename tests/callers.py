"""Callers of every kind before an application in the loop of the test, and requests that need no socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.clock import Clock
from bus.memory import MemoryBus
from bus.protocol import Place
from console.access.caller import ROLES
from console.access.sessions import COOKIE
from console.access.tokens import Tokens, tokens_of
from console.api.application import Application
from contracts.events import ActionAudited
from contracts.frames import decode_all
from contracts.identity import home_of
from contracts.settings import ApiSettings, ArchiveSettings, Settings

DAY_NS = 86_400_000_000_000
#: None is a caller who says nothing.
CALLERS = (None, *ROLES, "revoked", "expired")


@dataclass
class Time:
    """A clock that stands still until it is moved."""

    wall: int = 1_800_000_000_000_000_000
    monotonic: float = 1_000.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)

    def move(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)
        self.monotonic += seconds


@dataclass
class Answer:
    """What came back; ``status`` is 101 for a WebSocket that was accepted."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        return str(self.json.get("kind", "")) if self.body.startswith(b"{") else ""


@dataclass
class House:
    """An application with its tokens, as name -> text."""

    application: Application
    bus: MemoryBus
    time: Time
    tokens: Tokens
    texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app = self.application.app()

    def bearer(self, who: str | None) -> dict[str, str]:
        return {} if who is None else {"Authorization": f"Bearer {self.texts[who]}"}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; of an answer that does not end the beginning is enough. ``_`` in a header's name is ``-``."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        scope = scope_of(
            method, path, {"host": "localhost"} | {name.replace("_", "-"): v for name, v in headers.items()}
        )
        first = {"type": "websocket.connect"} if method == "WEBSOCKET" else {"type": "http.request", "body": data}
        answer, messages, done = Answer(), [first], asyncio.Event()

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await asyncio.Event().wait()
            return {}

        async def send(message: Any) -> None:
            kind = message["type"]
            if kind == "websocket.accept":
                answer.status = 101
            elif kind.endswith("response.start"):
                answer.status = message["status"]
                pairs = [(name.decode().lower(), value.decode()) for name, value in message["headers"]]
                answer.headers, answer.cookies = dict(pairs), [v for name, v in pairs if name == "set-cookie"]
            else:
                answer.body += message.get("body", b"")
            if answer.status == 101 or (kind.endswith("response.body") and not ends_later(message, answer)):
                done.set()

        async def serve() -> None:
            await self.app(scope, receive, send)

        task = asyncio.create_task(serve())
        await asyncio.wait([task, waiting := asyncio.create_task(done.wait())], return_when="FIRST_COMPLETED")
        waiting.cancel()
        if not done.is_set():
            task.result()
        task.cancel()
        await asyncio.wait([task])
        return answer

    async def sign_in(self, who: str, **headers: str) -> tuple[str, str]:
        """The cookie of a new session, and its CSRF token."""
        answer = await self.ask("POST", "/api/v1/session", {"token": self.texts[who]}, **headers)
        assert answer.status == 200, answer.body
        cookie = answer.cookies[0].partition(";")[0].removeprefix(f"{COOKIE}=")
        session = self.application.access.sessions.read(cookie)
        assert session is not None
        return cookie, session.csrf

    async def audited(self) -> list[ActionAudited]:
        """Everything that was recorded."""
        place = Place("audit", home_of("audit", self.bus.partitions))
        entries = await self.bus.range(place, 1, 1_000_000, count=100_000)
        return [event for event in decode_all(entries) if isinstance(event, ActionAudited)]


def ends_later(message: Any, answer: Answer) -> bool:
    """Whether more comes, of something that has an end."""
    return bool(message.get("more_body")) and not answer.headers.get("content-type", "").startswith("text/event-stream")


def scope_of(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """As a server makes it of a request from this machine."""
    at, _, query = path.partition("?")
    socket = method == "WEBSOCKET"
    kind = {"type": "websocket", "scheme": "ws"} if socket else {"type": "http", "scheme": "http", "method": method}
    return {
        **kind, "asgi": {"version": "3.0"}, "http_version": "1.1",
        "path": at, "raw_path": at.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 80), "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }  # fmt: skip


@asynccontextmanager
async def house(folder: Path, *, tokens: bool = True, **api: Any) -> AsyncIterator[House]:
    """An application on a memory bus; with ``tokens`` one of each role, one that is revoked and one that expired."""
    time, bus = Time(), MemoryBus(4)
    known, texts = tokens_of(folder, time.clock()), {}
    for name in CALLERS[1:] if tokens else ():
        role = name if name in ROLES else "admin"
        texts[str(name)] = known.create(str(name), role, DAY_NS if name == "expired" else 0)[1]
    if tokens:
        known.revoke("revoked")
        time.move(2 * DAY_NS / 1e9)
    limits = ApiSettings.model_validate({"requests_per_minute": 10_000_000, **api})
    settings = Settings(data_dir=folder, archive=ArchiveSettings(enabled=False)).model_copy(update={"api": limits})
    application = Application(settings, bus, clock=time.clock())
    try:
        yield House(application, bus, time, known, texts)
    finally:
        application.hub.close("the test ends")
