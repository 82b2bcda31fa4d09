"""How the HTTP interface is used: time of each request by operation and answer, and what stays open."""

from collections.abc import Iterable
from re import Pattern

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.clock import Clock
from agents.telemetry import families
from agents.telemetry.metrics import Metrics

from ..api.operations.operation import Operation

#: What is no operation of the interface.
PAGE, ASSET, OTHER = "page", "asset", "other"
_API, _ASSETS = "/api/", "/static/"
#: Answered before it was known what was asked for, or not at all.
_NONE = "none"


class Counted:
    """Around the whole application. Labels are names of operations, never paths: whoever asks does not choose them."""

    def __init__(self, app: ASGIApp, operations: Iterable[Operation], metrics: Metrics, clock: Clock) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock
        self._plain: dict[tuple[str, str], Operation] = {}
        self._patterns: list[tuple[str, Pattern[str], Operation]] = []
        for one in operations:
            method = "" if one.method == "websocket" else one.method.upper()
            if "{" in one.path:
                self._patterns.append((method, compile_path(one.path)[0], one))
            else:
                self._plain[method, one.path] = one
        self._open: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        name, lasting = self._named(scope)
        if lasting:
            self._stay(name, 1)
            try:
                await self._app(scope, receive, send)
            finally:
                self._stay(name, -1)
        else:
            await self._timed(name, scope, receive, send)

    async def _timed(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        begun, status = self._clock.monotonic_s(), _NONE

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            self._metrics.observe(families.REQUEST, name, status, value=self._clock.monotonic_s() - begun)

    def _stay(self, name: str, more: int) -> None:
        self._open[name] = self._open.get(name, 0) + more
        self._metrics.put(families.CONNECTIONS, name, value=self._open[name])

    def _named(self, scope: Scope) -> tuple[str, bool]:
        """The operation, and whether its answer does not end."""
        path = scope["path"]
        if not path.startswith(_API):
            return (ASSET if path.startswith(_ASSETS) else PAGE), False
        method = "" if scope["type"] == "websocket" else scope["method"].replace("HEAD", "GET")
        found = self._plain.get((method, path)) or next(
            (one for verb, pattern, one in self._patterns if verb == method and pattern.match(path)), None
        )
        return (found.name, found.lasting) if found else (OTHER, False)
