"""``/api/v1/letters``: dead letters, and deciding about them."""

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.body import Body

from ..acting.letters import Letters, redrive, redriven, tasks_of
from ..configured import Configured
from .answering import answer, answering, by_of, parsed
from .messages.letters import LetterContent, LetterRow, LetterRows, Redriving, Redrove
from .messages.message import Noted
from .query import number

_PAGE, _MOST_PAGE = 100, 500
#: Letters that one request redrives: each is a commit.
_MOST = 1_000
_MOST_LETTERS = 999_999_999


class LettersApi:
    """The routes."""

    def __init__(self, letters: Letters, configured: Configured, body: Body) -> None:
        self._letters, self._configured, self._body = letters, configured, body

    def routes(self) -> list[Route]:
        """For the application."""
        one = "/api/v1/letters/{letter:str}"
        return [
            Route("/api/v1/letters", answering(self.listed), methods=["GET"]),
            Route("/api/v1/letters/redrive", answering(self.redriven), methods=["POST"]),
            Route(one, answering(self.one), methods=["GET"]),
            Route(one, answering(self.dropped), methods=["DELETE"]),
            Route(f"{one}/redrive", answering(self.again), methods=["POST"]),
        ]

    async def listed(self, request: Request) -> Response:
        """Those that are open, the oldest first."""
        query = request.query_params
        most = number(query, "limit", _PAGE, least=1, most=_MOST_PAGE)
        after = number(query, "after", 0, most=_MOST_LETTERS)
        found = await self._letters.open(query.get("task", ""))
        rows = await self._letters.rows(found[after : after + most])
        end = after + most if len(found) > after + most else 0
        return answer(LetterRows(letters=[LetterRow(**row) for row in rows], count=len(found), next=end))

    async def one(self, request: Request) -> Response:
        """One of them, with everything about it."""
        return answer(LetterContent(**await self._letters.content(await self._letters.one(_id(request)))))

    async def again(self, request: Request) -> Response:
        """It is handled again by its task."""
        said = parsed(Noted, await self._body.read(request))
        letter = await self._letters.one(_id(request))
        known = tasks_of(await self._configured.topology())
        done = await redrive(self._letters.desk(said.by, said.note), letter, known)
        return answer(Redrove(letters=[letter.about.id] if done else [], left={}, waiting=0))

    async def redriven(self, request: Request) -> Response:
        """All of a task are handled again."""
        said = parsed(Redriving, await self._body.read(request))
        known = tasks_of(await self._configured.topology())
        found = await self._letters.open(said.task)
        became = await redriven(self._letters.desk(said.by, said.note), found[:_MOST], known)
        waiting = len(await self._letters.open(said.task))
        return answer(Redrove(letters=list(became.done), left=became.left, waiting=waiting))

    async def dropped(self, request: Request) -> Response:
        """It needs nothing any more."""
        by, note = by_of(request), _note(request)
        letter = await self._letters.one(_id(request))
        done = await self._letters.desk(by, note).drop(letter)
        return answer(Redrove(letters=[letter.about.id] if done else [], left={}, waiting=0))


def _id(request: Request) -> str:
    return str(request.path_params["letter"])


def _note(request: Request) -> str:
    return parsed(Noted, to_json({"note": request.query_params.get("note", "")})).note
