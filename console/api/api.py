"""``tocsin api``: the HTTP interface, in a process of its own, so that nothing it does slows the agents down."""

from dataclasses import dataclass

import anyio
import click
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from agents.web.body import Body
from agents.web.guard import Guard
from agents.web.refusal import HEADERS, Refused, refusal
from agents.web.serving import listening, server
from bus.protocol import Bus
from bus.redis import open_bus
from contracts.errors import ConfigError
from contracts.settings import Settings
from models.stores import cache_of

from ..catalog import Catalog
from ..host import Host
from ..logs import set_up
from ..options import Loaded, common
from .openapi import openapi
from .predict import Predict

log = structlog.get_logger()


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
    import signal

    port = settings.api.port
    assert port is not None  # noqa: S101 - checked by the command
    listener = listening(settings.api.host, port)
    bus = await open_bus(settings, url, create=False)
    serving = server(Application(settings, bus).app(), settings.api.header_timeout_s)
    log.info("api", address=f"http://{settings.api.host}:{port}/api/v1")
    try:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(serving.serve, [listener])
                async for _ in signals:
                    serving.should_exit = True
                    break
    finally:
        listener.close()
        await bus.close()


@dataclass
class Application:
    """All routes, behind their guard."""

    settings: Settings
    bus: Bus

    def app(self) -> ASGIApp:
        """The application."""
        limits = self.settings.api
        body = Body(limits.max_body_bytes, limits.max_body_bytes, limits.body_timeout_s)
        cache = cache_of(self.settings.data_dir, self.settings.models)
        predict = Predict(Catalog(self.bus), cache, body, limits.models)
        routes = [Route("/api/v1/openapi.json", _described, methods=["GET"]), *predict.routes()]
        return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _not_here}), limits)


async def _described(_: Request) -> Response:
    return JSONResponse(openapi(), headers=HEADERS)


async def _not_here(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = "this method is not for this path" if status == 405 else "nothing is here"
    return refusal(Refused(status, what, "see /api/v1/openapi.json"))
