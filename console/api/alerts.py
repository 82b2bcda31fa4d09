"""``/api/v1/alerts``, ``/api/v1/silences`` and ``/api/v1/routes/test``."""

from dataclasses import dataclass
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.clock import Clock
from agents.notification.alerts.alert import RANK, Alert
from agents.notification.alerts.present import Present
from agents.notification.alerts.state import AlertsState
from agents.notification.routing.matching import Matcher, matches, parse_all
from agents.notification.routing.routing import Routing
from agents.web.body import Body
from agents.web.refusal import Refused
from bus.protocol import Bus
from contracts.errors import NotFound
from contracts.instants import SECOND, from_iso
from contracts.settings import Settings

from ..acting import alerts as acting
from ..acting import silences
from ..acting.actor import Actor
from ..routes import tried
from .alertmessages import (
    Acknowledged,
    AlertRow,
    AlertRows,
    Done,
    Labelled,
    Noted,
    SilenceRow,
    SilenceRows,
    Silencing,
    Tried,
    Trying,
)  # fmt: skip
from .answering import answer, answering, by_of, parsed

_PAGE, _MOST_PAGE = 100, 1_000


class AlertsApi:
    """The routes."""

    def __init__(self, bus: Bus, settings: Settings, body: Body) -> None:
        self._bus, self._settings, self._body = bus, settings, body
        self._asking: Present | None = None
        self._looking = anyio.Lock()

    def routes(self) -> list[Route]:
        """For the application."""
        one = "/api/v1/alerts/{alert:str}"
        return [
            Route("/api/v1/alerts", answering(self.listed), methods=["GET"]),
            Route(one, answering(self.one), methods=["GET"]),
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
        states = [word for text in query.getlist("state") for word in text.split(",") if word]
        least = RANK.get(query.get("severity", "info"))
        if least is None or set(states) - {"open", "acknowledged", "resolved"}:
            raise Refused(422, "no such state or severity", "see /api/v1/openapi.json", "bad request")
        most = _number(query.get("limit", str(_PAGE)))
        wanted = _Wanted(frozenset(states), least, parse_all(query.getlist("match")))
        async with self._looking:
            # Tens of thousands take a while, and others live on this loop as well; nobody changes them meanwhile.
            fitting = await anyio.to_thread.run_sync(wanted.among, await self._now())
        rest = [alert for alert in fitting if _order(alert) > _cursor(query["after"])] if "after" in query else fitting
        page = rest[:most]
        after = f"{page[-1].opened}-{page[-1].id}" if len(rest) > most else ""
        rows = [AlertRow(**acting.row(alert)) for alert in page]
        return answer(AlertRows(alerts=rows, count=len(fitting), next=after))

    async def one(self, request: Request) -> Response:
        """One of them."""
        return answer(AlertRow(**acting.row(await self._alert(request))))

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
        rows = silences.rows(await self._present(), Clock.wall_ns())
        return answer(SilenceRows(silences=[SilenceRow(**row) for row in rows]))

    async def silence(self, request: Request) -> Response:
        """Nobody is told of what matches, for a time."""
        said = parsed(Silencing, await self._body.read(request))
        if (said.ends is None) == (said.for_s is None):
            raise Refused(422, "give either ends or for_s", "see /api/v1/openapi.json", "bad request")
        await self._present()
        starts = from_iso(said.starts) if said.starts else Clock.wall_ns()
        ends = from_iso(said.ends) if said.ends else starts + int((said.for_s or 0) * SECOND)
        actor = self._actor(said.by)
        return await self._done(
            await silences.silence(actor, said.matchers, starts=starts, ends=ends, comment=said.comment), 201
        )

    async def unsilence(self, request: Request) -> Response:
        """It ends before its time."""
        actor, state = self._actor(by_of(request)), await self._present()
        return await self._done(await silences.unsilence(actor, state, request.path_params["silence"]))

    async def tried(self, request: Request) -> Response:
        """Where an alert would go."""
        said = parsed(Trying, await self._body.read(request))
        routing = await anyio.to_thread.run_sync(Routing.of, self._settings.alerting, self._settings.data_dir)
        if routing is None:
            raise NotFound("there are no routes", mend="Set alerting.route")
        at = from_iso(said.at) if said.at else Clock.wall_ns()
        return answer(Tried(**tried(routing, said.labels, at)))

    # ---------------------------------------------------------------- in common

    async def _present(self) -> AlertsState:
        async with self._looking:
            return await self._now()

    async def _now(self) -> AlertsState:
        """Alerts as they are; only what is new is read. Raises NotFound where nobody follows them."""
        if self._asking is None:
            self._asking = Present(self._bus, self._settings)
        return await self._asking.state()

    async def _alert(self, request: Request) -> Alert:
        return acting.found(await self._present(), request.path_params["alert"])

    def _actor(self, by: str) -> Actor:
        return Actor(self._bus, self._settings, by)

    async def _done(self, event: Any, status: int = 200) -> Response:
        return answer(Done(event=event.id), status)


@dataclass(frozen=True)
class _Wanted:
    """Which alerts are asked for."""

    states: frozenset[str]
    least: int
    matchers: tuple[Matcher, ...]

    def among(self, state: AlertsState) -> list[Alert]:
        """Those that fit, the latest first."""
        found = [alert for alert in map(state.alert, list(state.alerts)) if self._fits(alert)]
        return sorted(found, key=_order)

    def _fits(self, alert: Alert) -> bool:
        return (
            (not self.states or alert.state in self.states)
            and RANK[alert.severity] >= self.least
            and (not self.matchers or matches(self.matchers, alert.labels))
        )


def _order(alert: Alert) -> tuple[int, str]:
    return -alert.opened, alert.id


def _cursor(text: str) -> tuple[int, str]:
    opened, _, name = text.partition("-")
    if not opened.isdecimal() or len(opened) > 20:
        raise Refused(422, "`after` is the `next` of a page", "begin without it", "bad request")
    return -int(opened), name


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 6 or not 1 <= int(text) <= _MOST_PAGE:
        raise Refused(422, f"limit is a number from 1 to {_MOST_PAGE:,}", "see /api/v1/openapi.json", "bad request")
    return int(text)
