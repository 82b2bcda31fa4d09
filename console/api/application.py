"""The application: every route of the interface and of the page, and what they share."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from agents.clock import Clock
from agents.parts import Program
from agents.web.body import Body
from agents.web.guard import Guard
from agents.web.refusal import HEADERS
from bus.history import history_of
from bus.protocol import Bus
from contracts.settings import Settings
from contracts.yamlfile import YamlFile
from models.cache import BundleCache
from models.stores import cache_of

from ..access.access import Access
from ..access.admission import admitted
from ..access.gate import Gate
from ..access.headers import Headed
from ..acting.letters import Letters
from ..acting.subscribers import Subscribed
from ..alerting.inbox import Inbox
from ..catalog import Catalog
from ..checkup import Checkup, doctors_errand
from ..configured import Configured
from ..curves.series import Curves
from ..deployed.bundles import Bundles
from ..deployed.deployed import Deployed
from ..errand import Errand
from ..page.alerts import AlertsView
from ..page.fleet import FleetView
from ..page.health import HealthView
from ..page.lineage import LineageView
from ..page.models import ModelsView
from ..page.page import Page
from ..page.problems import Problems
from ..page.replays import ReplaysView
from ..page.series import SeriesView
from ..page.signin import SignIn
from ..page.silences import SilencesView
from ..page.streams import StreamsView
from ..page.subscribers import SubscribersView
from ..replaying.choices import Choices
from ..replaying.replays import Replays
from ..streams.streams import Streams
from ..walks.asking import Lineage
from ..watching.watch import Watch
from .alerts import AlertsApi
from .asyncapi import asyncapi
from .fleet import FleetApi
from .health import HealthApi
from .letters import LettersApi
from .lineage import LineageApi
from .live import LiveSource
from .models import ModelsApi
from .openapi import openapi
from .operations import OPERATIONS
from .predict import Predict
from .replays import ReplaysApi
from .series import SeriesApi
from .session import SessionApi
from .streaming.hub import Hub
from .streaming.sse import EventSource
from .streaming.websocket import EventSocket
from .streams import StreamsApi
from .subscribers import SubscribersApi


class Application:
    """All routes, behind their guard; so many subscribers may be there at once, or as many as the settings say.

    ``file`` is where the settings came from; ``program`` runs a command of ours, None where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        bus: Bus,
        subscribers: int | None = None,
        *,
        file: YamlFile | None = None,
        program: Program | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.subscribers = settings.api.subscribers if subscribers is None else subscribers
        self.settings, self.bus, self.history = settings, bus, history_of(settings, bus)
        self.file, self.program = file or YamlFile(Path("tocsin.yaml"), {}), program
        self.access = Access(settings, bus, clock or Clock())
        self.hub, self.page = Hub(bus, self.history), Page()
        self.watch = Watch(self.hub, settings)
        self.inbox, self.curves = Inbox(bus, settings), Curves(self.history)
        self.lineage = Lineage(self.history, settings.data_dir, bus.identity, self.inbox)
        self.replays = Replays(settings.data_dir / "replays", settings.replay, program)

    def app(self) -> ASGIApp:
        """The application."""
        routes = admitted(self.routes(), OPERATIONS, self.access)
        answers = Starlette(routes=routes, exception_handlers=Problems(self.page).handlers())
        free = [(one.method.upper(), one.path) for one in OPERATIONS if one.role == "anyone"]
        streams = [one.path for one in OPERATIONS if one.lasting]
        return Headed(Guard(Gate(answers, self.access, free, streams), self.settings.api))

    def routes(self) -> list[BaseRoute]:
        """Everything that is answered."""
        limits = self.settings.api
        body = Body(limits.max_body_bytes, limits.max_body_bytes, limits.body_timeout_s)
        cache = cache_of(self.settings.data_dir, self.settings.models)
        return [
            Route("/api/v1/openapi.json", _described, methods=["GET"]),
            Route("/api/v1/asyncapi.json", self._told, methods=["GET"]),
            Route("/api/v1/events", EventSource(self.hub, self.subscribers), methods=["GET"]),
            WebSocketRoute("/api/v1/events/ws", EventSocket(self.hub, self.subscribers).serve),
            Route("/api/v1/live", LiveSource(self.watch, self.subscribers), methods=["GET"]),
            *SessionApi(self.access, body).routes(),
            SignIn(self.page, self.access).route(),
            *self._present(body),
            *self._past(body, cache),
            *self._inside(body, cache),
            *self.page.routes(),
        ]

    def _present(self, body: Body) -> list[BaseRoute]:
        """How things are now, and what is decided about it."""
        return [
            *FleetApi(self.watch).routes(),
            *FleetView(self.page, self.watch).routes(),
            *AlertsApi(self.inbox, self.history, body).routes(),
            *AlertsView(self.page, self.inbox, self.history).routes(),
            *SilencesView(self.page, self.inbox).routes(),
        ]

    def _past(self, body: Body, cache: BundleCache) -> list[BaseRoute]:
        """What the log and the archive tell."""
        choices = Choices.of(self.settings, self.history, cache)
        return [
            *SeriesApi(self.curves).routes(),
            *SeriesView(self.page).routes(),
            *LineageApi(self.lineage).routes(),
            *LineageView(self.page, self.lineage, self.settings).routes(),
            *ReplaysApi(self.replays, choices, self.settings, body).routes(),
            *ReplaysView(self.page, self.replays, choices, self.inbox).routes(),
        ]

    def _inside(self, body: Body, cache: BundleCache) -> list[BaseRoute]:
        """Streams, dead letters, models, subscribers and health: Tocsin itself."""
        bus, history, settings, page = self.bus, self.history, self.settings, self.page
        configured = Configured(settings, self.file)
        errand = None if self.program is None else Errand(self.program)
        streams, letters = Streams(bus, history, settings, configured), Letters(bus, history)
        deployed = Deployed(history, configured, Bundles(cache))
        subscribed, checkup = Subscribed(history, settings), Checkup(history, doctors_errand(errand, settings))
        return [
            *Predict(Catalog(bus), cache, body, settings.api.models).routes(),
            *StreamsApi(streams).routes(),
            *LettersApi(letters, configured, body).routes(),
            *StreamsView(page, streams, letters).routes(),
            *ModelsApi(bus, settings, deployed, body, errand).routes(),
            *ModelsView(page, deployed).routes(),
            *SubscribersApi(bus, subscribed, body).routes(),
            *SubscribersView(page, subscribed).routes(),
            *HealthApi(checkup, body).routes(),
            *HealthView(page, checkup).routes(),
        ]

    async def _told(self, _: Request) -> Response:
        return JSONResponse(asyncapi(self.settings.api), headers=HEADERS)


async def _described(_: Request) -> Response:
    return JSONResponse(openapi(), headers=HEADERS)
