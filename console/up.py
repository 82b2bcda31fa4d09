"""``tocsin up``: the service, as one supervised group of processes or as a daemon for some agents."""

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import anyio
import click
import structlog

from agents.parts import Context
from agents.runtime.archive.archiving import archiver_for
from agents.runtime.home import Home
from agents.runtime.watchdog import Watchdog
from agents.supervisor import Supervisor, stop_on_signals
from agents.telemetry import metered
from agents.topology import Topology
from bus.history import history_of
from bus.redis import open_bus
from contracts.errors import Unavailable
from contracts.settings import Settings

from .access.credentials import Credentials
from .access.tokens import tokens_of
from .host import Host, fresh_owner
from .logs import set_up
from .metrics.observing import answering, check_tracing, of_children, reported, telemetry_for
from .options import Loaded, common

log = structlog.get_logger()

#: Agents that get a process of their own: this one imports MLflow, which takes seconds and much memory.
APART = ("coordinator",)


@click.command()
@common
@click.argument("agents", nargs=-1)
@click.option("--owner", hidden=True, help="Name of this process in leases; set by its supervisor.")
@click.option("--batch", is_flag=True, hidden=True, help="Nobody waits for what has not been read yet.")
def up(loaded: Loaded, agents: tuple[str, ...], owner: str | None, batch: bool) -> None:
    """Run all AGENTS of the configuration, or only those that are named.

    Without names everything is supervised from here: an embedded server where no --redis is given, one process for
    the stream agents and one for the coordinator. With names those agents run in this process.
    """
    set_up(loaded.settings.log, service=True)
    topology = Topology.of(loaded.settings, loaded.file, agents)
    if agents:
        topology.only(agents)
    check_tracing(loaded.settings)
    with Host(loaded.settings) as host:
        backend: dict[str, Any] = {"use_uvloop": True}
        if agents:
            anyio.run(_serve, host, loaded, topology, agents, owner, not batch, backend_options=backend)
        else:
            anyio.run(supervise, host, loaded, topology, not batch, backend_options=backend)


async def supervise(host: Host, loaded: Loaded, topology: Topology, live: bool = True) -> None:
    """Run everything in children until a signal says stop; ``live``: somebody waits for what has not been read yet."""
    if loaded.settings.api.port is not None:
        # An address that anybody could use ends it here. Agents do not wait for a file that only the interface reads.
        with suppress(Unavailable):
            Credentials(loaded.settings.api, tokens_of(loaded.settings.data_dir)).check()
    names = list(dict.fromkeys(item.agent for item in topology.placed))
    stop = anyio.Event()
    together = [name for name in names if name not in APART]
    # First the address: where that cannot be had, nothing is started.
    async with answering(loaded.settings, topology, host.url, of_children(host), host.children):
        for name, group in (("pipeline", together), *((name, [name]) for name in names if name in APART)):
            if group:
                host.spawn(name, group, loaded.file.path, *([] if live else ["--batch"]))
        if loaded.settings.api.port is not None:
            host.spawn_api(loaded.file.path)
        log.info("up", data_dir=str(loaded.settings.data_dir), processes=[child.name for child in host.children])
        async with anyio.create_task_group() as group_of_tasks:
            group_of_tasks.start_soon(_stop_on_signal, stop)
            await host.watch(stop)
            group_of_tasks.cancel_scope.cancel()


async def _stop_on_signal(stop: anyio.Event) -> None:
    import signal

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            stop.set()


async def _serve(
    host: Host, loaded: Loaded, topology: Topology, agents: Sequence[str], owner: str | None, live: bool
) -> None:
    settings: Settings = loaded.settings
    # A supervised process has its name from its supervisor, which answers for all of them.
    process = owner.rpartition("/")[2] if owner else "+".join(agents)
    telemetry = telemetry_for(settings, process)
    bus = metered(await open_bus(settings, host.url, store_file=host.store_file), telemetry)
    history = history_of(settings, bus)
    home = Home(bus, owner or fresh_owner(), settings.bus, telemetry=telemetry, history=history)
    placed = topology.only(agents)
    archiver = archiver_for(home, history.archive, settings.archive, topology, placed) if live else None
    program = host.program(loaded.file.path)
    context = Context("", settings.data_dir, live=live, models=settings.models, program=program, settings=loaded.again)
    topology.prepare(placed, context)
    log.info("serving", agents=list(agents), owner=home.owner)
    async with reported(home, settings, process, agents) as reporter, AsyncExitStack() as stack:
        if owner is None:
            address = answering(settings, topology, host.url, lambda: [reporter.report()])
            await stack.enter_async_context(address)
        async with anyio.create_task_group() as group:
            group.start_soon(stop_on_signals, home, group)
            group.start_soon(host.watch, home.stop)
            group.start_soon(Watchdog(home.steps, settings.bus.hang_s).run)
            await Supervisor(home, topology, placed, live=live, archiver=archiver).run()
            home.stop.set()
            group.cancel_scope.cancel()
    await bus.close()
    log.info("stopped", agents=list(agents))
