"""``tocsin api``: the HTTP interface, in a process of its own, so that nothing it does slows the agents down."""

import resource
import signal
from pathlib import Path

import anyio
import click
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from agents.clock import Clock
from agents.health.running import Running
from agents.parts import Program
from agents.runtime.groups import single_error
from agents.telemetry import Reporter, Telemetry, metered
from agents.web.body import Body
from agents.web.guard import Guard
from agents.web.refusal import HEADERS
from agents.web.serving import CONNECTIONS, Server, listening, server
from bus.history import history_of
from bus.protocol import Bus
from bus.redis import open_bus
from contracts.errors import ConfigError, StoreLost, StoreRefused, Unavailable
from contracts.settings import Settings
from contracts.yamlfile import YamlFile
from models.stores import cache_of

from ..access.access import Access
from ..access.admission import admitted
from ..access.credentials import Credentials
from ..access.gate import Gate
from ..access.headers import Headed
from ..access.tokens import tokens_of
from ..alerting.inbox import Inbox
from ..catalog import Catalog
from ..curves.series import Curves
from ..host import Host, fresh_owner
from ..logs import set_up
from ..metrics.requests import Counted
from ..options import Loaded, common
from ..page.alerts import AlertsView
from ..page.fleet import FleetView
from ..page.lineage import LineageView
from ..page.page import Page
from ..page.problems import Problems
from ..page.replays import ReplaysView
from ..page.series import SeriesView
from ..page.signin import SignIn
from ..page.silences import SilencesView
from ..replaying.choices import Choices
from ..replaying.replays import Replays
from ..walks.asking import Lineage
from ..watching.watch import Watch
from .alerts import AlertsApi
from .asyncapi import asyncapi
from .fleet import FleetApi
from .inside import inside
from .lineage import LineageApi
from .live import LiveSource
from .openapi import openapi
from .operations import OPERATIONS
from .predict import Predict
from .replays import ReplaysApi
from .series import SeriesApi
from .session import SessionApi
from .streaming.hub import Hub
from .streaming.sse import EventSource
from .streaming.websocket import EventSocket

log = structlog.get_logger()

#: Open files besides those of subscribers: other requests, connections to the log, models, libraries.
_DESCRIPTORS = 2 * CONNECTIONS + 256
_STORE_LOOK_S = 2.0


@click.command()
@common
@click.option("--owner", hidden=True, help="Name of this process; set by its supervisor.")
def api(loaded: Loaded, owner: str | None) -> None:
    """Answer HTTP requests at ``api.host`` and ``api.port``; `tocsin up` runs this by itself where a port is set."""
    if loaded.settings.api.port is None:
        raise ConfigError(["api.port is not set"], mend="Set it, as 8091")
    set_up(loaded.settings.log, service=True)
    Credentials(loaded.settings.api, tokens_of(loaded.settings.data_dir)).check()
    with Host(loaded.settings, attach=True) as host:
        anyio.run(_serve, loaded, host, owner or fresh_owner(), backend_options={"use_uvloop": True})


async def _serve(loaded: Loaded, host: Host, owner: str) -> None:
    settings = loaded.settings
    port = settings.api.port
    assert port is not None  # noqa: S101 - checked by the command
    listener = listening(settings.api.host, port)
    telemetry = Telemetry()
    bus = metered(await open_bus(settings, host.url, create=False), telemetry)
    room, program = _room(settings.api.subscribers), host.program(loaded.file.path)
    application = Application(settings, bus, room, file=loaded.file, program=program)
    counted = Counted(application.app(), OPERATIONS, telemetry.metrics, Clock())
    serving = server(counted, settings.api.header_timeout_s, application.subscribers)
    log.info("api", address=f"http://{settings.api.host}:{port}/api/v1")
    try:
        with single_error():
            async with anyio.create_task_group() as group:
                group.start_soon(_watched, bus)
                running = Running.of(settings).record()
                group.start_soon(Reporter(settings.data_dir, "api", owner, telemetry.metrics, running=running).run)
                group.start_soon(_stopped, application, serving)
                await serving.serve([listener])
                group.cancel_scope.cancel()
    finally:
        listener.close()
        await bus.close()


async def _stopped(application: "Application", serving: Server) -> None:
    """End in order when a signal says so."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            # Those who are subscribed come back with their positions when it runs again.
            application.hub.close("the interface ends")
            await application.replays.close()
            serving.should_exit = True


async def _watched(bus: Bus) -> None:
    """Raises StoreLost when the log is not the one any more that positions were given out for."""
    while True:
        await anyio.sleep(_STORE_LOOK_S)
        try:
            await bus.check()
        except (StoreLost, StoreRefused):
            raise
        except Unavailable:
            # Each request says so by itself.
            log.debug("store could not be checked")


def _room(subscribers: int) -> int:
    """How many subscribers there is room for: each connection takes a file descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = subscribers + _DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return subscribers
    room = max(1, soft - _DESCRIPTORS)
    log.warning("fewer subscribers than api.subscribers: the limit of open files is low", limit=soft, subscribers=room)
    return room


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
        choices = Choices.of(self.settings, self.history, cache)
        return [
            Route("/api/v1/openapi.json", _described, methods=["GET"]),
            Route("/api/v1/asyncapi.json", self._told, methods=["GET"]),
            Route("/api/v1/events", EventSource(self.hub, self.subscribers), methods=["GET"]),
            WebSocketRoute("/api/v1/events/ws", EventSocket(self.hub, self.subscribers).serve),
            *SessionApi(self.access, body).routes(),
            SignIn(self.page, self.access).route(),
            *Predict(Catalog(self.bus), cache, body, limits.models).routes(),
            *AlertsApi(self.inbox, self.history, body).routes(),
            *LineageApi(self.lineage).routes(),
            *SeriesApi(self.curves).routes(),
            *SeriesView(self.page).routes(),
            *inside(self, body),
            *ReplaysApi(self.replays, choices, self.settings, body).routes(),
            *ReplaysView(self.page, self.replays, choices, self.inbox).routes(),
            *AlertsView(self.page, self.inbox, self.history).routes(),
            *SilencesView(self.page, self.inbox).routes(),
            *LineageView(self.page, self.lineage, self.settings).routes(),
            Route("/api/v1/live", LiveSource(self.watch, self.subscribers), methods=["GET"]),
            *FleetApi(self.watch).routes(),
            *FleetView(self.page, self.watch).routes(),
            *self.page.routes(),
        ]

    async def _told(self, _: Request) -> Response:
        return JSONResponse(asyncapi(self.settings.api), headers=HEADERS)


async def _described(_: Request) -> Response:
    return JSONResponse(openapi(), headers=HEADERS)
