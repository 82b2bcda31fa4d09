"""``/api/v1/health``."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.body import Body

from ..checkup import Checkup
from .answering import answer, answering, parsed
from .messages.health import FindingRow, HealthNow
from .messages.message import Noted


class HealthApi:
    """The routes."""

    def __init__(self, checkup: Checkup, body: Body) -> None:
        self._checkup, self._body = checkup, body

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/api/v1/health", answering(self.now), methods=["GET"]),
            Route("/api/v1/health", answering(self.anew), methods=["POST"]),
        ]

    async def now(self, _: Request) -> Response:
        """What was found last; a look begins where that is a minute old."""
        return await self._told(anew=False)

    async def anew(self, request: Request) -> Response:
        """A look begins now."""
        parsed(Noted, await self._body.read(request))
        return await self._told(anew=True)

    async def _told(self, *, anew: bool) -> Response:
        found = await self._checkup.now(anew=anew)
        # The doctor may tell more than is promised here.
        rows = [{name: row[name] for name in FindingRow.model_fields if name in row} for row in found["findings"]]
        return answer(HealthNow.model_validate(found | {"findings": rows}), 202 if anew else 200)
