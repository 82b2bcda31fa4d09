"""Connections that stay open end when whoever opened them may not come in any more."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass

import anyio
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.web.patience import ABORT
from contracts.errors import Unavailable

log = structlog.get_logger()

_PAUSE_S = 2.0


@dataclass(eq=False)
class _Open:
    """A connection, and whether it still may be there."""

    lasts: Callable[[], bool]
    abort: Callable[[], None]
    cancel: anyio.CancelScope


class Watch:
    """Looks at all of them every two seconds, while there are any."""

    def __init__(self) -> None:
        self._open: set[_Open] = set()
        self._looking: asyncio.Task[None] | None = None

    async def serve(self, app: ASGIApp, lasts: Callable[[], bool], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until it ends, or its caller may not be there any more."""
        with anyio.CancelScope() as cancel:
            one = _Open(lasts, scope.get(ABORT, lambda: None), cancel)
            self._open.add(one)
            if self._looking is None:
                # In a context of its own: what it logs is not about the request that happened to be the first.
                self._looking = asyncio.create_task(self._look(), context=Context())
            try:
                await app(scope, receive, send)
            finally:
                self._open.discard(one)
                if not self._open and self._looking is not None:
                    self._looking.cancel()
                    self._looking = None

    async def _look(self) -> None:
        while True:
            await anyio.sleep(_PAUSE_S)
            for one in list(self._open):
                # Where it cannot be told nobody new comes in, and who is there stays.
                with suppress(Unavailable):
                    if not one.lasts():
                        log.info("connection ended: its token or session counts no more")
                        one.abort()
                        one.cancel.cancel()
