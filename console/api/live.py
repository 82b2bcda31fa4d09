"""``GET /api/v1/live``: the page's one stream, with everything that it shows of the present.

Unlike the events of ``/api/v1/events`` nothing of this is promised: a browser that is slow, or comes back, is told
what is then. So there are no positions, and nothing is kept for anybody but what is about to be sent.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import anyio
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from agents.clock import Clock
from agents.web.patience import ABORT
from agents.web.refusal import Refused, refusal
from contracts.errors import TocsinError
from contracts.identity import NAME_LENGTH

from ..watching.viewer import Interest, Topic, Viewer
from ..watching.watch import Watch
from .answering import refused_as
from .query import bad
from .streaming.sse import full, streamed
from .streaming.subscription import BEAT_S, STUCK_S

TOPICS: tuple[Topic, ...] = get_args(Topic)
MOST_SERIES = 200
#: What comes together goes together: partitions are written one after the other.
_GATHER_S = 0.005
#: Between two messages of a connection: 25 a second.
_PAUSE_S = 0.04
_RETRY_MS = (500, 2_000)


class LiveSource:
    """The endpoint; so many may watch at once."""

    def __init__(self, watch: Watch, most: int) -> None:
        self._watch, self._most = watch, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        query = request.query_params
        try:
            interest = interested({name: query.getlist(name) for name in query})
            if self._watch.size >= self._most:
                raise full(self._most)
            connection = Connection(interest, request.scope.get(ABORT, lambda: None))
            await self._watch.join(connection)
        except (Refused, TocsinError) as error:
            refused = refused_as(error)
            if refused is None:
                raise
            await refusal(refused)(scope, receive, send)
            return
        try:
            await streamed(request, receive, send, connection.hand_on, connection.end)
        finally:
            self._watch.leave(connection)


class Connection:
    """One browser: what it is sent, and when."""

    def __init__(self, interest: Interest, abort: Callable[[], None]) -> None:
        self.viewer = Viewer(interest, self._wake)
        self._abort = abort
        self._news = asyncio.Event()
        self._ended = ""
        self._beat = self._sending = False
        self._sent_at = anyio.current_time()

    def _wake(self) -> None:
        self._news.set()

    def look(self, now: float) -> None:
        """Time for a sign of life, or to give up a connection that takes nothing."""
        if self._sending and now - self._sent_at > STUCK_S:
            self._abort()
        elif not self._sending and now - self._sent_at >= BEAT_S:
            self._beat = True
            self._news.set()

    def end(self, why: str) -> None:
        """Nothing more comes."""
        self._ended = why
        self._news.set()

    async def hand_on(self, send: Send) -> None:
        """Send what there is, at once after a pause and not too often, until it ends."""
        chunk = b"retry: %d\n\n" % random.randint(*_RETRY_MS)  # noqa: S311 - spreads load, hides nothing
        while True:
            self._sending, self._sent_at = True, anyio.current_time()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._sending, self._sent_at = False, anyio.current_time()
            chunk = await self._next()
            if not chunk:
                break
        await send({"type": "http.response.body"})

    async def _next(self) -> bytes:
        """What is sent next; empty where it ended."""
        while True:
            await self._news.wait()
            if not self._ended:
                await anyio.sleep(max(_GATHER_S, self._sent_at + _PAUSE_S - anyio.current_time()))
            self._news.clear()
            if self._ended:
                return b""
            chunk = self.viewer.take(Clock.wall_ns() / 1e6)
            if self._beat:
                self._beat = False
                chunk = chunk or b": beat\n\n"
            if chunk:
                return chunk


def interested(said: Mapping[str, Sequence[str]]) -> Interest:
    """What the parameters of a request ask for. Raises Refused."""
    unknown = sorted(set(said) - {"topic", "series"})
    if unknown:
        raise bad(f"there is no parameter {unknown[0][:40]!r}")
    topics, series = said.get("topic", ()), tuple(dict.fromkeys(said.get("series", ())))
    wanted = frozenset(topic for topic in TOPICS if topic in topics)
    if not topics or len(wanted) < len(set(topics)):
        raise bad(f"topic is one or more of {', '.join(TOPICS)}")
    if len(series) > MOST_SERIES:
        raise bad(f"more than {MOST_SERIES} series")
    if any("/" not in name or len(name) > 2 * NAME_LENGTH + 1 for name in series):
        raise bad("a series is named asset/channel")
    return Interest(wanted, series)
