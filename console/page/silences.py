"""``/silences``: of what nobody is told, for how long, and what a new silence would cover."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.clock import Clock
from agents.notification.routing.matching import parse_all
from agents.notification.routing.silences import check
from contracts.instants import from_iso

from ..acting import silences
from ..alerting.inbox import Inbox
from ..render import span
from .page import Page

#: Alerts that a preview names; all are counted.
_NAMED = 8
_LONGEST = 8_000
#: That are offered: seconds, name.
LENGTHS = ((3_600, "1 hour"), (14_400, "4 hours"), (86_400, "1 day"), (604_800, "1 week"))


class SilencesView:
    """The route."""

    def __init__(self, page: Page, inbox: Inbox) -> None:
        self._page, self._inbox = page, inbox

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/silences", self.listed, methods=["GET"])]

    async def listed(self, request: Request) -> Response:
        """All that have not ended, and a form for a new one; ``matchers`` in the query are tried."""
        now = Clock.wall_ns()
        known = silences.rows(await self._inbox.state(), now)
        covers = await self._inbox.covered([parse_all(row["matchers"]) for row in known])
        rows = [
            {**row, "left": span((from_iso(row["ends"]) - now) / 1e9), "covers": len(found)}
            for row, found in zip(known, covers, strict=True)
        ]
        said = request.query_params.get("matchers", "")[:_LONGEST]
        values: dict[str, Any] = {
            "rows": rows, "said": said, "problem": "", "covers": None,
            "lengths": LENGTHS,
        }  # fmt: skip
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if lines:
            try:
                (found,) = await self._inbox.covered([check(lines)])
                values["covers"] = {"count": len(found), "some": found[:_NAMED]}
            except ValueError as error:
                values["problem"] = str(error)
        return self._page.html(request, "silences.html", values)
