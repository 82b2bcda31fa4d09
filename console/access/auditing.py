"""The record of what was changed over HTTP: an event for each, before whoever asked is answered."""

from collections import Counter
from urllib.parse import quote

import structlog
from starlette.requests import HTTPConnection

from agents.clock import Clock
from bus.protocol import Bus, Place
from contracts.errors import Unavailable
from contracts.events import ActionAudited
from contracts.frames import encode
from contracts.identity import home_of

from .caller import Caller
from .rates import Rates

log = structlog.get_logger()

WRITER = "api"
_MOST_TARGET = 500
#: Refused requests that are told of one by one, of each caller or address: so many at once, and so many in a second.
_REFUSED, _REFUSED_PER_S = 20, 20 / 60


class Audit:
    """Writes it. Refused requests cost their sender nothing and must not fill the log: of many a number is told."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._refused = Rates(_REFUSED, _REFUSED_PER_S, clock.monotonic_s)
        self._more: Counter[str] = Counter()

    async def tell(self, connection: HTTPConnection, operation: str, status: int) -> None:
        """That a request was answered so. Raises Unavailable; then it may be in the log or not."""
        caller: Caller | None = connection.scope["caller"]
        by, address = (caller.name if caller else "unknown"), address_of(connection)
        key = f"{by} {address}"
        if status in (401, 403, 429) and self._refused.take(key):
            self._more[key] += 1
            return
        now, request = self._clock.wall_ns(), str(connection.scope["request_id"])
        event = ActionAudited.of(
            cause=request, time=now, asset=WRITER, by=by, role=caller.role if caller else "", operation=operation,
            target=quote(connection.scope["path"])[:_MOST_TARGET], status=status, address=address, request=request,
            more=self._more.pop(key, 0),
        )  # fmt: skip
        place = Place(event.stream, home_of(event.stream, self._bus.partitions))
        try:
            await self._bus.append(place, list(encode([event], WRITER)))
        except Unavailable:
            self._more[key] += event.more
            log.error("a change could not be recorded", **event.model_dump(include=_TOLD))
            raise


_TOLD = {"by", "role", "operation", "target", "status", "address", "request"}


def address_of(connection: HTTPConnection) -> str:
    """Where a connection comes from."""
    return connection.client.host if connection.client is not None else ""
