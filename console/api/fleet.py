"""``/api/v1/fleet``: every series as it is now."""

import gzip
from hashlib import blake2b
from typing import Any

from anyio import to_thread
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.clock import Clock
from agents.web.refusal import HEADERS

from ..watching.fleet import STATES, Fleet
from ..watching.telling import SEVERITIES, Wanted, columns_of
from ..watching.watch import Watch
from .answering import answering
from .query import bad, number, words

_PAGE, MOST_PAGE = 1_000, 20_000
_MOST_TEXT = 200
#: Smaller answers are not worth packing.
_PACKED_BYTES = 4_096
_PARAMETERS = frozenset({"state", "severity", "match", "limit", "after"})


class FleetApi:
    """The route."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/api/v1/fleet", answering(self.listed), methods=["GET"])]

    async def listed(self, request: Request) -> Response:
        """The series that fit, as columns; 304 where nothing changed since the caller's ETag."""
        query = request.query_params
        wanted, most = _wanted(request), number(query, "limit", _PAGE, least=1, most=MOST_PAGE)
        fleet = await self._watch.fleet()
        begin = _begin(query["after"], self._watch.epoch) if "after" in query else 0
        mark = self._mark(fleet, request)
        headers = {**HEADERS, "Cache-Control": "private, no-cache", "ETag": mark, "Vary": "Accept-Encoding"}
        if mark in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        numbers = wanted.among(fleet)
        page = numbers[numbers >= begin][:most]
        more = len(page) and numbers[-1] > page[-1]
        body = {
            "epoch": self._watch.epoch,
            "version": fleet.version,
            "at": Clock.wall_ns() // 1_000_000,
            "count": len(numbers),
            "next": f"{self._watch.epoch}-{page[-1] + 1}" if more else "",
            "summary": fleet.summary(),
            **columns_of(fleet, page),
        }
        packed = "gzip" in request.headers.get("accept-encoding", "")
        text, packed = await to_thread.run_sync(_encoded, body, packed)
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(text, headers=headers, media_type="application/json")

    def _mark(self, fleet: Fleet, request: Request) -> str:
        asked = blake2b(str(sorted(request.query_params.multi_items())).encode(), digest_size=6).hexdigest()
        return f'W/"{self._watch.epoch}-{fleet.version}-{asked}"'


def _encoded(body: dict[str, Any], packed: bool) -> tuple[bytes, bool]:
    text = to_json(body)
    packed = packed and len(text) >= _PACKED_BYTES
    return gzip.compress(text, 1, mtime=0) if packed else text, packed


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    if unknown := sorted(set(query) - _PARAMETERS):
        raise bad(f"there is no parameter {unknown[0][:40]!r}")
    states = words(query, "state")
    if states - set(STATES):
        raise bad(f"state is one of {', '.join(STATES)}")
    severity, text = query.get("severity", ""), query.get("match", "")
    if severity and severity not in SEVERITIES:
        raise bad(f"severity is one of {', '.join(SEVERITIES)}")
    if len(text) > _MOST_TEXT:
        raise bad(f"match has at most {_MOST_TEXT} characters")
    return Wanted(states, severity, text)


def _begin(after: str, epoch: str) -> int:
    of, _, number = after.rpartition("-")
    if of != epoch or not (number.isascii() and number.isdecimal()) or len(number) > 9:
        raise bad("`after` is the `next` of a page; it means nothing after a new start: begin without it")
    return int(number)
