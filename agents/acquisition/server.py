"""The HTTP side of the push source: who may speak, how much, and what they are told."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..web.body import Body
from ..web.guard import Guard
from ..web.refusal import HEADERS, Refused, refusal
from . import lineprotocol, pushed
from .cells import note
from .entries import Entry
from .intake import Answer, Intake
from .times import TimeReader

if TYPE_CHECKING:
    from .http import HttpPush

_MAX_KEY = 256
_LARGE = 64 * 1024

Parse = Callable[[Request, bytes], Sequence[Entry]]


class Api:
    """The routes of the push source."""

    def __init__(self, source: "HttpPush", intake: Intake, clock: Callable[[], int]) -> None:
        self._source = source
        self._intake = intake
        self._clock = clock
        self._times = TimeReader(source.zone, source.fold, source.time_unit)
        self._body = Body(source.max_body_bytes, source.max_inflated_bytes, source.body_timeout_s)

    def app(self) -> ASGIApp:
        """The application, behind its guard."""
        routes = [
            Route("/api/v1/readings", self.readings, methods=["POST"]),
            Route("/api/v1/write", self.write, methods=["POST"]),
        ]
        answers = Starlette(routes=routes, exception_handlers={HTTPException: _not_here})
        return Guard(answers, self._source, self._source.token)

    async def readings(self, request: Request) -> Response:
        """JSON: one reading, a list, or columns."""
        return await self._take(
            request, lambda _, body: pushed.entries_of(body, self._times, self._source.units), empty=200
        )

    async def write(self, request: Request) -> Response:
        """Influx line protocol."""
        return await self._take(request, self._lines, empty=204)

    def _lines(self, request: Request, body: bytes) -> Sequence[Entry]:
        word = request.query_params.get("precision", "ns")
        if word not in lineprotocol.PRECISIONS:
            raise Refused(400, f"no such precision: {note(word)!r}", "use ns, us, ms or s")
        manner = lineprotocol.Manner(self._source.asset_tags, self._source.channel_from)
        found = lineprotocol.entries_of(body, lineprotocol.PRECISIONS[word], manner, self._clock())
        if not found:
            raise Refused(422, "there is no line in the body", "send for example: pump,asset=p1 temperature=21.5")
        return found

    async def _take(self, request: Request, parse: Parse, empty: int) -> Response:
        try:
            key = request.headers.get("idempotency-key", "")
            if len(key) > _MAX_KEY:
                raise Refused(400, f"the Idempotency-Key has over {_MAX_KEY} characters", "use a UUID")
            body = await self._body.read(request)
            if len(body) > _LARGE:
                # Others live on this loop as well, and some of them have to be punctual.
                entries = await asyncio.to_thread(parse, request, body)
            else:
                entries = parse(request, body)
            content = request.url.path.encode() + request.url.query.encode() + b"\n" + body
            answer, repeated = await self._intake.submit(entries, key, content, self._source.settle_timeout_s)
        except Refused as refused:
            return refusal(refused)
        return _answer(answer, repeated, empty)


async def _not_here(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return refusal(Refused(status, "nothing is here", "POST to /api/v1/readings or /api/v1/write"))


def _answer(answer: Answer, repeated: bool, empty: int) -> Response:
    if empty == 204 and not answer.rejected and not repeated:
        return Response(status_code=204, headers=HEADERS)
    body = {
        "accepted": answer.accepted,
        "rejected": answer.rejected,
        "rejections": answer.rejections,
        "repeated": repeated,
    }
    return JSONResponse(body, 200, HEADERS)
