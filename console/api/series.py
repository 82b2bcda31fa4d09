"""``/api/v1/series``: the curve of a series, and what happened to it."""

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.refusal import Refused
from contracts.instants import SECOND, iso
from contracts.readings import Int64

from ..curves.asked import BEGIN, POINTS, USUAL, Asked, instant
from ..curves.marks import Mark
from ..curves.scanning import Left
from ..curves.series import Curve, Curves, Found
from .answering import answer, answering
from .messages.series import SeriesMessage
from .query import number

_MS = 1_000_000
_MOST = 10**10 - 1


class SeriesApi:
    """The route."""

    def __init__(self, curves: Curves) -> None:
        self._curves = curves

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/api/v1/series/{asset:str}/{channel:str}", answering(self.one), methods=["GET"])]

    async def one(self, request: Request) -> Response:
        """One series in a range."""
        try:
            found = await self._curves.of(asked_of(request), request.is_disconnected)
        except Left as error:
            raise Refused(503, "nobody waits for the answer", "ask again", "left") from error
        return answer(SeriesMessage.model_validate(row(found)))


def asked_of(request: Request) -> Asked:
    """What a request asks for. Raises ValueError, Refused, and NotFound where it names no series."""
    query = request.query_params
    begin = query.get("from", "")
    if begin and "last" in query:
        raise ValueError("give either from or last")
    if query.get("score", "") not in ("", "0", "1"):
        raise ValueError("score: 0 or 1")
    return Asked(
        request.path_params["asset"], request.path_params["channel"],
        since=None if begin == BEGIN else instant(begin), until=instant(query.get("to", "")), begin=begin == BEGIN,
        length=number(query, "last", USUAL // SECOND, most=_MOST) * SECOND,
        points=number(query, "points", POINTS, most=_MOST),
        method=query.get("method", "min-max"), score=query.get("score") == "1",
    )  # fmt: skip


def row(found: Found) -> dict[str, Any]:
    """What was found, as plain data: a SeriesMessage."""
    return {
        "asset": found.asked.asset, "channel": found.asked.channel,
        "from": iso(found.span[0]), "to": iso(found.span[1]),
        "latest": iso(found.latest[0]) if found.latest else None,
        "latest_value": _finite(found.latest[1]) if found.latest else None,
        "method": found.asked.method, "curve": _curve(found.curve),
        "score": _curve(found.score) if found.score else None, "scored": found.scored,
        "marks": [_mark(mark) for mark in found.marks], "marks_left_out": found.left_out, "rejected": found.rejected,
        "complete": not found.missing, "missing": found.missing, "late": found.late, "channels": list(found.channels),
        "facts": found.facts,
    }  # fmt: skip


def _curve(curve: Curve) -> dict[str, Any]:
    return {"t": _ms(curve.times), "v": curve.values.tolist(), "count": curve.count, "raw": curve.raw}


def _mark(mark: Mark) -> dict[str, Any]:
    return {
        **vars(mark), "t": mark.t / _MS, "until": None if mark.until is None else mark.until / _MS,
        "score": _finite(mark.score), "value": _finite(mark.value),
    }  # fmt: skip


def _ms(times: Int64) -> list[float]:
    found: list[float] = (times / _MS).tolist()
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
