"""``/health``: what the doctor found, why, and what mends it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..checkup import Checkup
from .page import Page


class HealthView:
    """The route."""

    def __init__(self, page: Page, checkup: Checkup) -> None:
        self._page, self._checkup = page, checkup

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/health", self.now, methods=["GET"])]

    async def now(self, request: Request) -> Response:
        """What was found last."""
        return self._page.html(request, "health.html", {"now": await self._checkup.now()})
