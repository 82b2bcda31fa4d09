"""``tocsin api``: the HTTP interface, in a process of its own, so that nothing it does slows the agents down."""

import resource
import signal

import anyio
import click
import structlog

from agents.clock import Clock
from agents.health.running import Running
from agents.runtime.groups import single_error
from agents.telemetry import Reporter, Telemetry, metered
from agents.web.serving import CONNECTIONS, Server, listening, server
from bus.protocol import Bus
from bus.redis import open_bus
from contracts.errors import ConfigError, Denied, StoreLost, StoreRefused, Unavailable
from contracts.settings import Settings

from ..access.credentials import Credentials
from ..access.tokens import tokens_of
from ..host import Host, fresh_owner
from ..logs import set_up
from ..metrics.requests import Counted
from ..options import Loaded, common
from .application import Application
from .operations import OPERATIONS

log = structlog.get_logger()

#: Open files besides those of subscribers: other requests, connections to the log, models, libraries.
_DESCRIPTORS = 2 * CONNECTIONS + 256
_STORE_LOOK_S = 2.0
#: How long the log may take to begin, and how often it is asked for.
_BEGIN_S, _ASK_S = 30.0, 0.2


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
        # Whoever supervises it starts those who begin the log at the same moment.
        patience_s = _BEGIN_S if owner else 0.0
        anyio.run(_serve, loaded, host, owner or fresh_owner(), patience_s, backend_options={"use_uvloop": True})


async def _serve(loaded: Loaded, host: Host, owner: str, patience_s: float) -> None:
    settings = loaded.settings
    port = settings.api.port
    assert port is not None  # noqa: S101 - checked by the command
    listener = listening(settings.api.host, port)
    telemetry = Telemetry()
    bus = metered(await begun(settings, host.url, patience_s), telemetry)
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


async def begun(settings: Settings, url: str, patience_s: float) -> Bus:
    """The log, when there is one; so long it may take. Raises Unavailable."""
    deadline = anyio.current_time() + patience_s
    while True:
        try:
            return await open_bus(settings, url, create=False)
        except (Denied, StoreLost, StoreRefused):
            raise
        except Unavailable:
            if anyio.current_time() >= deadline:
                raise
        await anyio.sleep(_ASK_S)


async def _stopped(application: Application, serving: Server) -> None:
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
