"""Readings that programs push over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import anyio
import structlog
from pydantic import Field, SecretStr, field_validator, model_validator

from contracts.addresses import is_loopback
from contracts.errors import Unavailable

from ..clock import Clock
from ..parts import Harvest, Source
from .settings import Fold, TimeUnit, known_zone
from .tablesource import resumed

if TYPE_CHECKING:
    from .intake import Answer, Intake, Request

SHOWN_REJECTIONS = 20
#: So many answers survive a crash, with their keys.
KEPT_IN_RESUME = 100

log = structlog.get_logger(__name__)


class HttpPush(Source):
    """Listens for readings: JSON at ``/api/v1/readings``, Influx line protocol at ``/api/v1/write``.

    A request is answered with success once its readings are in the log; until then the sender has to keep them. The
    position of a reading counts the readings of this source.
    """

    repeats: ClassVar[bool] = False
    kind: Literal["http"] = "http"
    host: str = Field(default="127.0.0.1", description="address to listen on; others than loopback need a token")
    port: int = Field(default=8090, ge=0, le=65535)
    token: SecretStr | None = Field(default=None, description="that senders must show as a bearer token")
    allowed_hosts: tuple[str, ...] = Field(default=(), description="further names in Host and Origin headers")
    asset_tags: tuple[str, ...] = Field(
        default=("asset", "host"), description="tags of the line protocol that name the asset; else the measurement"
    )
    channel_from: Literal["field", "measurement.field"] = Field(
        default="field", description="what names the channel of a line"
    )
    units: dict[str, str] = Field(default_factory=dict, description="channel -> the only unit it may have")
    zone: str | None = Field(default=None, description="of times without an offset; empty: these are refused")
    fold: Fold = Field(default="reject", description="which instant a local time means that exists twice")
    time_unit: TimeUnit = Field(default="auto", description="of JSON times that are numbers")
    max_series: int = Field(default=50_000, ge=1, description="readings of further series are refused")
    max_body_bytes: int = Field(default=2**20, ge=1)
    max_inflated_bytes: int = Field(default=2**22, ge=1, description="of a gzip body")
    queue_requests: int = Field(default=64, ge=1, description="requests that may wait for the log")
    queue_readings: int = Field(default=200_000, ge=1, description="readings that may wait for the log")
    header_timeout_s: float = Field(default=30.0, gt=0)
    body_timeout_s: float = Field(default=30.0, gt=0)
    settle_timeout_s: float = Field(default=30.0, gt=0, description="how long a sender waits for the log")

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str | None) -> str | None:
        return known_zone(zone)

    @model_validator(mode="after")
    def _guarded(self) -> "HttpPush":
        if not is_loopback(self.host) and (self.token is None or not self.token.get_secret_value()):
            raise ValueError(f"host {self.host} can be reached from outside: set a token")
        return self

    async def harvests(
        self, name: str, resume: str | None, clock: Callable[[], int] = Clock.wall_ns
    ) -> AsyncIterator[Harvest]:
        from ..web.serving import listening, server
        from .intake import Intake
        from .server import Api

        intake = Intake(self.queue_requests, self.queue_readings)
        book = _Book(self, name, intake, resumed(resume, name) if resume is not None else None)
        listener = listening(self.host, self.port)
        serving = server(Api(self, intake, clock).app(), self.header_timeout_s)
        running = asyncio.create_task(serving.serve([listener]))
        log.info("listening for readings", source=name, address="{}:{}".format(*listener.getsockname()[:2]))
        try:
            while True:
                request = await _next(intake, running)
                if request is not None:
                    yield book.harvest(request)
        finally:
            intake.close()
            serving.should_exit = True
            with anyio.CancelScope(shield=True):
                await asyncio.wait([running], timeout=10)
            listener.close()


class _Book:
    """Numbers the readings, and keeps the answers that have to survive a crash.

    ``resume`` is stored before the readings are, so it must not call the request that it comes with done. It calls it
    pending: when that request comes again first after a crash, it gets its old numbers, and the log leaves out what
    it has already. Should others come first, it gets new ones, and validation sees repeated readings.
    """

    def __init__(self, source: HttpPush, name: str, intake: "Intake", state: dict[str, Any] | None) -> None:
        from .catalog import Catalog
        from .entries import Doorkeeper

        state = state or {"row": 0, "time": 0, "keys": [], "pending": None}
        self._row: int = state["row"]
        self._pending: list[str | int] | None = state["pending"]
        self._intake = intake
        intake.recall(state["keys"])
        self._door = Doorkeeper(name, name, Catalog(source.max_series), state["time"])

    def harvest(self, request: "Request") -> Harvest:
        """The readings of a request; it is answered when they are in the log."""
        first = self._row + 1
        if self._pending is not None and self._pending[:2] == [request.key, request.body]:
            first = int(self._pending[2])
        readings = self._door.readings(request.entries, first)
        self._row = max(self._row, first + len(readings) - 1)
        self._pending = [request.key, request.body, first] if request.key else None
        request.result = _result(readings)
        state = {
            "v": 1,
            "row": self._row,
            "time": self._door.last_time,
            "keys": self._intake.kept(KEPT_IN_RESUME),
            "pending": self._pending,
        }
        resume = json.dumps(state, separators=(",", ":"))
        return Harvest(readings, resume, partial(self._intake.settle, request))


def _result(readings: Any) -> "Answer":
    import numpy as np

    from contracts.readings import Verdict

    from .intake import Answer

    bad = np.flatnonzero(readings.verdict)
    shown = tuple(
        {"index": row, "verdict": Verdict(readings.verdict[row]).word, "note": readings.notes.get(row, "")}
        for row in bad[:SHOWN_REJECTIONS].tolist()
    )
    return Answer(len(readings) - len(bad), len(bad), shown)


async def _next(intake: "Intake", running: "asyncio.Task[None]") -> "Request | None":
    """The next request. Raises Unavailable when the server has died."""
    waiting = asyncio.create_task(intake.next())
    try:
        await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
    finally:
        waiting.cancel()
    raise Unavailable("the HTTP server of this source stopped", mend="see the log before this") from (
        None if running.cancelled() else running.exception()
    )
