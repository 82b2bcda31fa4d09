"""``GET /api/v1/events``: Server-Sent Events, as HTML defines them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from agents.web.patience import ABORT
from agents.web.refusal import HEADERS, Refused, refusal
from contracts.errors import TocsinError

from .hub import Hub
from .subscription import Ended, Subscription
from .wish import wished

#: After a lost connection all come back: not all at the same moment.
_RETRY_MS = (1_000, 5_000)
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Else nginx keeps events back until it has a few kilobytes of them.
    (b"x-accel-buffering", b"no"),
    *((name.lower().encode(), value.encode()) for name, value in HEADERS.items()),
]


class Sse:
    """The shape of messages: position, type, data."""

    def message(self, name: str, kind: str, data: bytes) -> bytes:
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (name.encode(), kind.encode(), data)


class EventSource:
    """The endpoint. Plain ASGI: at a thousand connections each layer between counts."""

    def __init__(self, hub: Hub, most: int) -> None:
        self._hub, self._most = hub, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            subscription = await self._subscribed(request)
        except Refused as refused:
            await refusal(refused)(scope, receive, send)
            return
        try:
            await streamed(request, receive, send, partial(_hand_on, subscription), subscription.end)
        finally:
            subscription.leave()

    async def _subscribed(self, request: Request) -> Subscription:
        query = request.query_params
        wish = wished({name: query.getlist(name) for name in query})
        if self._hub.size >= self._most:
            raise full(self._most)
        abort: Callable[[], None] = request.scope.get(ABORT, lambda: None)
        subscription = Subscription(self._hub, wish, Sse(), abort)
        await subscription.begin(request.headers.get("last-event-id") or query.get("last_event_id", ""))
        return subscription


def full(most: int) -> Refused:
    """The refusal where there are as many subscribers as there may be."""
    return Refused(503, f"there are {most:,} subscribers already", "try again later, or raise api.subscribers", "full")


async def _hand_on(subscription: Subscription, send: Send) -> None:
    # The position at once: whoever loses the connection before the first event misses nothing, either.
    pause = random.randint(*_RETRY_MS)  # noqa: S311 - spreads load, hides nothing
    chunk = b"retry: %d\nid: %b\n\n" % (pause, subscription.position.encode())
    with suppress(Ended, TocsinError):
        while True:
            subscription.sending(True)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            subscription.sending(False)
            # An id without data moves the position on, and nothing is dispatched.
            chunk = await subscription.next() or b": beat\nid: %b\n\n" % subscription.position.encode()
    await send({"type": "http.response.body"})


async def streamed(
    request: Request,
    receive: Receive,
    send: Send,
    hand_on: Callable[[Send], Awaitable[None]],
    end: Callable[[str], None],
) -> None:
    """Answer with a stream: ``hand_on`` sends it, ``end`` is told when the connection was closed."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    if request.method == "HEAD":
        await send({"type": "http.response.body"})
        return
    # Its own task: a connection that is closed shows by what comes in, not by what goes out.
    waiting = asyncio.create_task(_gone(receive, end))
    try:
        await hand_on(send)
    finally:
        waiting.cancel()


async def _gone(receive: Receive, end: Callable[[str], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    end("the connection was closed")
