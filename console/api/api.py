"""``tocsin api``: the HTTP interface, in a process of its own, so that nothing it does slows the agents down."""

import resource
import signal

import anyio
import click
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from agents.runtime.groups import single_error
from agents.web.body import Body
from agents.web.guard import Guard
from agents.web.refusal import HEADERS, Refused, refusal
from agents.web.serving import CONNECTIONS, Server, listening, server
from bus.history import history_of
from bus.protocol import Bus
from bus.redis import open_bus
from contracts.errors import ConfigError, StoreLost, StoreRefused, Unavailable
from contracts.settings import Settings
from models.stores import cache_of

from ..catalog import Catalog
from ..host import Host
from ..logs import set_up
from ..options import Loaded, common
from .alerts import AlertsApi
from .asyncapi import asyncapi
from .openapi import openapi
from .predict import Predict
from .streaming.hub import Hub
from .streaming.sse import EventSource
from .streaming.websocket import EventSocket
from .subscribers import SubscribersApi

log = structlog.get_logger()

#: Open files besides those of subscribers: other requests, connections to the log, models, libraries.
_DESCRIPTORS = 2 * CONNECTIONS + 256
_STORE_LOOK_S = 2.0


@click.command()
@common
def api(loaded: Loaded) -> None:
    """Answer HTTP requests at ``api.host`` and ``api.port``; `tocsin up` runs this by itself where a port is set."""
    if loaded.settings.api.port is None:
        raise ConfigError(["api.port is not set"], mend="Set it, as 8091")
    set_up(loaded.settings.log)
    with Host(loaded.settings, attach=True) as host:
        anyio.run(_serve, loaded.settings, host.url, backend_options={"use_uvloop": True})


async def _serve(settings: Settings, url: str) -> None:
    port = settings.api.port
    assert port is not None  # noqa: S101 - checked by the command
    listener = listening(settings.api.host, port)
    bus = await open_bus(settings, url, create=False)
    application = Application(settings, bus, _room(settings.api.subscribers))
    serving = server(application.app(), settings.api.header_timeout_s, application.subscribers)
    log.info("api", address=f"http://{settings.api.host}:{port}/api/v1")
    try:
        with single_error():
            async with anyio.create_task_group() as group:
                group.start_soon(_watched, bus)
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
    """All routes, behind their guard; so many subscribers may be there at once, or as many as the settings say."""

    def __init__(self, settings: Settings, bus: Bus, subscribers: int | None = None) -> None:
        self.subscribers = settings.api.subscribers if subscribers is None else subscribers
        self.settings, self.bus, self.history = settings, bus, history_of(settings, bus)
        self.hub = Hub(bus, self.history)

    def app(self) -> ASGIApp:
        """The application."""
        routes = self.routes()
        return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _not_here}), self.settings.api)

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
            *Predict(Catalog(self.bus), cache, body, limits.models).routes(),
            *AlertsApi(self.bus, self.settings, body).routes(),
            *SubscribersApi(self.bus, self.history, self.settings, body).routes(),
        ]

    async def _told(self, _: Request) -> Response:
        return JSONResponse(asyncapi(self.settings.api), headers=HEADERS)


async def _described(_: Request) -> Response:
    return JSONResponse(openapi(), headers=HEADERS)


async def _not_here(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = "this method is not for this path" if status == 405 else "nothing is here"
    return refusal(Refused(status, what, "see /api/v1/openapi.json"))
