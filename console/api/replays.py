"""``/api/v1/replays``: a range of the past run again in a process of its own, and what differs then."""

from functools import partial
from typing import Any

from anyio import to_thread
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.body import Body
from agents.web.refusal import Refused
from contracts.errors import NotFound
from contracts.settings import Settings

from ..catalog import Unknown
from ..replaying.asked import Asked
from ..replaying.choices import Choices
from ..replaying.differences import FARTHEST, page
from ..replaying.replays import Full, Over, Replays
from ..replaying.verdict import FATES
from .answering import answer, answering, parsed
from .messages.replays import DifferenceRow, DifferenceRows, ReplayChoices, Replaying, ReplayRow, ReplayRows
from .query import bad, number

_PAGE, _MOST_PAGE = 100, 1_000


class ReplaysApi:
    """The routes."""

    def __init__(self, replays: Replays, choices: Choices, settings: Settings, body: Body) -> None:
        self._replays, self._choices, self._settings, self._body = replays, choices, settings, body

    def routes(self) -> list[Route]:
        """For the application."""
        one = "/api/v1/replays/{replay:str}"
        return [
            Route("/api/v1/replays", answering(self.listed), methods=["GET"]),
            Route("/api/v1/replays", answering(self.asked), methods=["POST"]),
            Route("/api/v1/replays/choices", answering(self.choices), methods=["GET"]),
            Route(one, answering(self.one), methods=["GET"]),
            Route(one, answering(self.cancelled), methods=["DELETE"]),
            Route(f"{one}/differences", answering(self.differences), methods=["GET"]),
        ]

    async def listed(self, _: Request) -> Response:
        """All that are kept."""
        return answer(ReplayRows(replays=[_row(row) for row in self._replays.rows()]))

    async def choices(self, _: Request) -> Response:
        """What can be asked for."""
        return answer(ReplayChoices(**await self._choices.now()))

    async def asked(self, request: Request) -> Response:
        """Run it, as soon as those before it are done."""
        said = parsed(Replaying, await self._body.read(request))
        asked = await self._sound(said)
        try:
            run = self._replays.ask(asked, said.by)
        except Full as error:
            raise Refused(503, "as many replays wait as may", "wait for one of them, or cancel it", "full") from error
        return answer(_row(self._replays.row(run)), 202)

    async def one(self, request: Request) -> Response:
        """How far it is, or what it came to."""
        return answer(_row(self._replays.row(self._replays.one(request.path_params["replay"]))))

    async def cancelled(self, request: Request) -> Response:
        """It is not run, or not to its end."""
        try:
            run = self._replays.cancel(request.path_params["replay"])
        except Over as error:
            raise Refused(409, "it has ended already", "ask for another one", "ended") from error
        return answer(_row(self._replays.row(run)), 202)

    async def differences(self, request: Request) -> Response:
        """What differs, a page at a time."""
        run, query = self._replays.one(request.path_params["replay"]), request.query_params
        if run.state != "done":
            raise NotFound(f"it has no differences: it is {run.state}", mend="wait until it is done")
        fate = query.get("difference", "")
        if fate and fate not in FATES.values():
            raise bad(f"difference is one of {', '.join(FATES.values())}")
        after, most = number(query, "after", 0, most=FARTHEST), number(query, "limit", _PAGE, most=_MOST_PAGE)
        look = partial(page, run.differences, after, most, fate, query.get("type", ""), query.get("series", ""))
        rows, following = await to_thread.run_sync(look)
        return answer(DifferenceRows(differences=[DifferenceRow(**row) for row in rows], next=following))

    async def _sound(self, said: Replaying) -> Asked:
        """What is asked for, once it is known that it can be run. Raises Refused."""
        bundle = await self._bundle(said.model) if said.model else ""
        asked = Asked(
            since=said.since, until=said.until, series=said.series, agents=tuple(said.agents), model=said.model,
            bundle=bundle, changes=said.changes.strip(), everything=said.everything, whole=said.whole,
        )  # fmt: skip
        try:
            await to_thread.run_sync(asked.check, self._settings)
        except ValidationError:
            raise
        except ValueError as error:
            raise Refused(422, str(error)[:2_000], "mend it, and ask again", "bad request") from error
        return asked

    async def _bundle(self, text: str) -> str:
        """The digest that a model means. Raises Refused when it is not here."""
        try:
            bundle = await self._choices.spelled(text)
        except Unknown as error:
            raise Refused(422, f"model: {error.args[0]}", error.mend, error.kind) from error
        if bundle is None:
            mend = "fetch it: tocsin models verify NAME VERSION"
            raise Refused(
                422, f"model: the bundle of {text[:200]!r} is not in the cache of this machine", mend, "no bundle"
            )
        return bundle


def _row(row: dict[str, Any]) -> ReplayRow:
    return ReplayRow.model_validate(row)
