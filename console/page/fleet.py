"""``/``: every series at a glance. ``/wall``: some of them as live curves."""

from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.instants import iso

from ..watching.fleet import STATES, Fleet
from ..watching.watch import Watch
from .filters import series_at
from .page import Page

#: Curves on a wall: as many as may be asked for, and as many as it has by itself.
MOST_CURVES, _CURVES = 50, 24
#: The worst first, as people look at them.
_SHOWN = tuple(reversed(STATES))


class FleetView:
    """The routes."""

    def __init__(self, page: Page, watch: Watch) -> None:
        self._page, self._watch = page, watch

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/", self.fleet, methods=["GET"]), Route("/wall", self.wall, methods=["GET"])]

    async def fleet(self, request: Request) -> Response:
        """The summary; the script fills the table, and keeps both up to date."""
        summary = (await self._watch.fleet()).summary()
        last = "" if summary["last"] is None else iso(summary["last"])
        return self._page.html(request, "fleet.html", {"summary": summary, "last": last, "states": _SHOWN})

    async def wall(self, request: Request) -> Response:
        """The series that are asked for; else those that are worst off, or were heard of last."""
        named = list(dict.fromkeys(request.query_params.getlist("series")))
        fleet = await self._watch.fleet()
        chosen = named[:MOST_CURVES] or foremost(fleet, _CURVES)
        curves = [_curve(name) for name in chosen if name in fleet.numbers]
        unknown = [name for name in chosen if name not in fleet.numbers]
        values = {"curves": curves, "unknown": unknown, "left_out": max(0, len(named) - MOST_CURVES)}
        return self._page.html(request, "wall.html", values)


def foremost(fleet: Fleet, most: int) -> list[str]:
    """The names of the series that are worst off; of those alike, that were heard of last."""
    count = len(fleet)
    order = np.lexsort((-fleet.columns.time[:count], -fleet.columns.state[:count].astype(np.int64)))
    return [fleet.names[number] for number in order[:most].tolist()]


def _curve(name: str) -> dict[str, Any]:
    asset, _, channel = name.partition("/")
    return {"name": name, "href": series_at(asset, channel)}
