"""``/api/v1/alerts``, ``/api/v1/silences`` and ``/api/v1/routes/test``."""

from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.clock import Clock
from agents.notification.alerts.alert import RANK, Alert
from agents.notification.routing.matching import ASKED_WAYS, parse_all
from agents.web.body import Body
from bus.history import History
from contracts.instants import SECOND, from_iso

from ..acting import alerts as acting
from ..acting import silences
from ..acting.actor import Actor
from ..alerting import recalled
from ..alerting.inbox import ORDERS, STATES, Inbox, Wanted
from ..alerting.story import story
from ..routes import tried_of
from .answering import answer, answering, by_of, parsed
from .messages.alerts import (
    Acknowledged,
    AlertRow,
    AlertRows,
    AlertStory,
    Labelled,
    SilenceRow,
    SilenceRows,
    Silencing,
    Tried,
    Trying,
)
from .messages.message import Done, Noted
from .query import bad, number, words

_PAGE, _MOST_PAGE = 100, 1_000
_LONGEST = 200


class AlertsApi:
    """The routes."""

    def __init__(self, inbox: Inbox, history: History, body: Body) -> None:
        self._inbox, self._history, self._body = inbox, history, body
        self._bus, self._settings = inbox.bus, inbox.settings

    def routes(self) -> list[Route]:
        """For the application."""
        one = "/api/v1/alerts/{alert:str}"
        return [
            Route("/api/v1/alerts", answering(self.listed), methods=["GET"]),
            Route(one, answering(self.one), methods=["GET"]),
            Route(f"{one}/story", answering(self.story), methods=["GET"]),
            Route(f"{one}/ack", answering(self.ack), methods=["POST"]),
            Route(f"{one}/resolve", answering(self.resolve), methods=["POST"]),
            Route(f"{one}/escalate", answering(self.escalate), methods=["POST"]),
            Route(f"{one}/label", answering(self.label), methods=["POST"]),
            Route("/api/v1/silences", answering(self.silences), methods=["GET"]),
            Route("/api/v1/silences", answering(self.silence), methods=["POST"]),
            Route("/api/v1/silences/{silence:str}", answering(self.unsilence), methods=["DELETE"]),
            Route("/api/v1/routes/test", answering(self.tried), methods=["POST"]),
        ]

    # ---------------------------------------------------------------- alerts

    async def listed(self, request: Request) -> Response:
        """Those that fit, the latest first."""
        query = request.query_params
        most = number(query, "limit", _PAGE, least=1, most=_MOST_PAGE)
        found = await self._inbox.find(wanted(query))
        page, after = found.page(most, query.get("after"))
        rows = [AlertRow(**acting.row(alert)) for alert in page]
        return answer(AlertRows(alerts=rows, count=len(found.alerts), counts=found.counts, next=after))

    async def one(self, request: Request) -> Response:
        """One of them."""
        alert, _ = await recalled.one(self._inbox, self._history, request.path_params["alert"])
        return answer(AlertRow(**acting.row(alert)))

    async def story(self, request: Request) -> Response:
        """Everything about one of them."""
        alert, followed = await recalled.one(self._inbox, self._history, request.path_params["alert"])
        told = await story(self._history, alert)
        return answer(AlertStory(alert=AlertRow(**acting.row(alert)), followed=followed, **told))

    async def ack(self, request: Request) -> Response:
        """Somebody takes care of it."""
        said = parsed(Acknowledged, await self._body.read(request))
        alert = await self._alert(request)
        until = 0 if said.for_s is None else Clock.wall_ns() + int(said.for_s * SECOND)
        return await self._done(await acting.acknowledge(self._actor(said.by), alert, note=said.note, until=until))

    async def resolve(self, request: Request) -> Response:
        """Somebody says that it is over."""
        said = parsed(Noted, await self._body.read(request))
        alert = await self._alert(request)
        return await self._done(await acting.close(self._actor(said.by), alert, note=said.note))

    async def escalate(self, request: Request) -> Response:
        """The next step is told now."""
        said = parsed(Noted, await self._body.read(request))
        alert = await self._alert(request)
        return await self._done(await acting.push(self._actor(said.by), alert, note=said.note))

    async def label(self, request: Request) -> Response:
        """Somebody says whether it was right."""
        said = parsed(Labelled, await self._body.read(request))
        alert = await self._alert(request)
        return await self._done(await acting.label(self._actor(said.by), alert, said.verdict, note=said.note))

    # ---------------------------------------------------------------- silences and routes

    async def silences(self, _: Request) -> Response:
        """All that have not ended."""
        rows = silences.rows(await self._inbox.state(), Clock.wall_ns())
        return answer(SilenceRows(silences=[SilenceRow(**row) for row in rows]))

    async def silence(self, request: Request) -> Response:
        """Nobody is told of what matches, for a time."""
        said = parsed(Silencing, await self._body.read(request))
        if (said.ends is None) == (said.for_s is None):
            raise bad("give either ends or for_s")
        await self._inbox.state()
        starts = from_iso(said.starts) if said.starts else Clock.wall_ns()
        ends = from_iso(said.ends) if said.ends else starts + int((said.for_s or 0) * SECOND)
        actor = self._actor(said.by)
        return await self._done(
            await silences.silence(actor, said.matchers, starts=starts, ends=ends, comment=said.comment), 201
        )

    async def unsilence(self, request: Request) -> Response:
        """It ends before its time."""
        actor, state = self._actor(by_of(request)), await self._inbox.state()
        return await self._done(await silences.unsilence(actor, state, request.path_params["silence"]))

    async def tried(self, request: Request) -> Response:
        """Where an alert would go."""
        said = parsed(Trying, await self._body.read(request))
        return answer(Tried(**await tried_of(self._settings, said.labels, said.at or "")))

    # ---------------------------------------------------------------- in common

    async def _alert(self, request: Request) -> Alert:
        return await self._inbox.one(request.path_params["alert"])

    def _actor(self, by: str) -> Actor:
        return Actor(self._bus, self._settings, by)

    async def _done(self, event: Any, status: int = 200) -> Response:
        return answer(Done(event=event.id), status)


def wanted(query: QueryParams) -> Wanted:
    """What a query asks for. Raises Refused, and ValueError for matchers that are none."""
    states = words(query, "state")
    least, order, text = RANK.get(query.get("severity", "info")), query.get("order", "latest"), query.get("text", "")
    known = next((each for each in ORDERS if each == order), None)
    if least is None or known is None or states - set(STATES) or len(text) > _LONGEST:
        raise bad("no such state, severity or order, or a text that is too long")
    matchers = parse_all(query.getlist("match"), most_ways=ASKED_WAYS)
    return Wanted(states, least, matchers, text, known)
