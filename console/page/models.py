"""``/models``: which there are, what serves where, and what came of it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..deployed.deployed import Deployed
from .page import Page

#: Versions that are shown at first, with those that serve or have an alias.
_SHOWN = 8


class ModelsView:
    """The routes."""

    def __init__(self, page: Page, deployed: Deployed) -> None:
        self._page, self._deployed = page, deployed

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/models", self.now, methods=["GET"]),
            Route("/models/{name:path}", self.model, methods=["GET"]),
        ]

    async def now(self, request: Request) -> Response:
        """All of them."""
        return self._page.html(request, "models.html", {"now": await self._deployed.now()})

    async def model(self, request: Request) -> Response:
        """One of them, with its versions."""
        found = await self._deployed.model(request.path_params["name"])
        agents = [row["agent"] for row in (await self._deployed.now())["serving"] if row["changes"]]
        everything = "all" in request.query_params
        shown = [
            row
            for number, row in enumerate(found["rows"])
            if everything or number < _SHOWN or row["aliases"] or row["served_by"]
        ]
        return self._page.html(request, "model.html", {"model": found, "agents": agents, "shown": shown})
