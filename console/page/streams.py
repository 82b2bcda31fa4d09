"""``/streams``: how far every task is, what is stored, and what could not be handled."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..acting.letters import Letters
from ..streams.streams import Streams
from .page import Page

#: Letters that are shown; the interface pages through all of them.
_LETTERS = 20


class StreamsView:
    """The routes."""

    def __init__(self, page: Page, streams: Streams, letters: Letters) -> None:
        self._page, self._streams, self._letters = page, streams, letters

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/streams", self.now, methods=["GET"]),
            Route("/streams/letters/{letter:str}", self.letter, methods=["GET"]),
        ]

    async def now(self, request: Request) -> Response:
        """Everything at a glance."""
        found = await self._letters.open()
        tasks: dict[str, int] = {}
        for letter in found:
            tasks[letter.about.agent] = tasks.get(letter.about.agent, 0) + 1
        values = {
            "now": await self._streams.now(),
            "letters": await self._letters.rows(found[:_LETTERS]),
            "count": len(found),
            "tasks": sorted(tasks.items()),
        }
        return self._page.html(request, "streams.html", values)

    async def letter(self, request: Request) -> Response:
        """One dead letter, whole."""
        letter = await self._letters.one(request.path_params["letter"])
        return self._page.html(request, "letter.html", {"letter": await self._letters.content(letter)})
