"""``/metrics``, ``/healthz`` and ``/readyz`` of a service: one address for all processes of a ``tocsin up``."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from socket import socket

import anyio
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.clock import Clock
from agents.telemetry import Report
from agents.telemetry.reports import FRESH_S
from agents.topology import Topology
from agents.web.serving import listening, server
from bus.protocol import Bus
from bus.redis import open_bus
from contracts.errors import TocsinError
from contracts.settings import Settings

from ..host import Child
from ..standing import Observer, Overview

log = structlog.get_logger()

#: A server that does not answer within this time is told as not answering; a scrape may take 10 s in all.
_PATIENCE_S = 2.0
#: Two scrapers, or a scraper and a load balancer, share one look at the log.
_LOOK_S = 2.0


@dataclass
class Endpoint:
    """What this service tells about itself. ``reports`` gives the numbers of its processes, fresh or stale."""

    settings: Settings
    topology: Topology
    url: str
    reports: Callable[[], Sequence[Report]]
    children: Sequence[Child] = ()
    clock: Clock = field(default_factory=Clock)
    _observer: Observer | None = None
    _overview: Overview | None = None
    _problem: str = "the server was not asked yet"
    _next: float = 0.0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    def __post_init__(self) -> None:
        self._server = server(self.app(), header_timeout_s=10.0)

    def app(self) -> Starlette:
        """The routes."""
        return Starlette(
            routes=[Route("/metrics", self.metrics), Route("/healthz", self.healthz), Route("/readyz", self.readyz)]
        )

    async def metrics(self, _: Request) -> Response:
        """Everything, for Prometheus."""
        from .exposition import CONTENT_TYPE, Exposition

        await self._look()
        shown = Exposition(self.reports(), self._now(), self.children, self._overview)
        return Response(shown.text(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    async def healthz(self, _: Request) -> Response:
        """Whether this process lives. It says nothing of the server: starting us again would not mend that."""
        return JSONResponse({"state": "ok"}, headers={"Cache-Control": "no-store"})

    async def readyz(self, _: Request) -> Response:
        """Whether the service can work: 200, or 503 with the reasons why it cannot."""
        await self._look()
        reasons = [*([self._problem] if self._problem else []), *self._silent()]
        body = {"state": "degraded", "reasons": reasons} if reasons else {"state": "ready", "reasons": []}
        return JSONResponse(body, 503 if reasons else 200, headers={"Cache-Control": "no-store"})

    def _silent(self) -> Iterator[str]:
        """Which processes do not work, as far as can be seen from here."""
        reports = {report.process: report for report in self.reports()}
        for child in self.children:
            if not child.running:
                yield f"process {child.name} does not run"
            elif child.name not in reports:
                yield f"process {child.name} has said nothing yet"
        for name, report in reports.items():
            age = self._now() - report.written
            if age > FRESH_S:
                yield f"process {name} has said nothing for {age:.0f} s"

    def listen(self) -> socket:
        """The socket to serve on.

        Raises Unavailable when the address cannot be had.
        """
        host, port = self.settings.metrics.host, self.settings.metrics.port
        assert port is not None  # noqa: S101 - nobody listens without one
        log.info("metrics", address=f"http://{host}:{port}/metrics")
        return listening(host, port)

    async def serve(self, listener: socket) -> None:
        """Answer until ``stop`` is called."""
        try:
            await self._server.serve([listener])
        finally:
            listener.close()
            if self._observer is not None:
                with anyio.CancelScope(shield=True):
                    await self._observer.bus.close()

    def stop(self) -> None:
        """Let ``serve`` come to its end."""
        self._server.should_exit = True

    async def _look(self) -> None:
        async with self._lock:
            if time.monotonic() < self._next:
                return
            try:
                if self._observer is None:
                    self._observer = Observer(await self._opened(), self.topology)
                await self._observer.bus.check()
                self._overview, self._problem = await self._observer.look(), ""
            except TocsinError as error:
                self._overview, self._problem = None, f"{type(error).__name__}: {error}"
            self._next = time.monotonic() + _LOOK_S

    async def _opened(self) -> Bus:
        patient = min(_PATIENCE_S, self.settings.redis.timeout_s)
        redis = self.settings.redis.model_copy(update={"timeout_s": patient})
        return await open_bus(self.settings.model_copy(update={"redis": redis}), self.url, create=False)

    def _now(self) -> float:
        return self.clock.wall_ns() / 1e9
