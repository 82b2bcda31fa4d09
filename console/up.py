"""``tocsin up``: the service, as one supervised group of processes or as a daemon for some agents."""

from collections.abc import Sequence
from typing import Any

import anyio
import click
import structlog

from agents.parts import Context
from agents.runtime.home import Home
from agents.supervisor import Supervisor, stop_on_signals
from agents.topology import Topology
from bus.redis import open_bus
from contracts.settings import Settings

from .host import Host, fresh_owner
from .logs import set_up
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
    set_up(loaded.settings.log)
    topology = Topology.of(loaded.settings, loaded.file, agents)
    if agents:
        topology.only(agents)
    with Host(loaded.settings) as host:
        arguments = (host, loaded, topology, agents, owner or fresh_owner(), not batch)
        backend: dict[str, Any] = {"use_uvloop": True}
        anyio.run(_serve if agents else _supervise, *arguments, backend_options=backend)


async def _supervise(host: Host, loaded: Loaded, topology: Topology, _: Sequence[str], __: str, live: bool) -> None:
    names = list(dict.fromkeys(item.agent for item in topology.placed))
    stop = anyio.Event()
    together = [name for name in names if name not in APART]
    for name, group in (("pipeline", together), *((name, [name]) for name in names if name in APART)):
        if group:
            host.spawn(name, group, loaded.file.path, *([] if live else ["--batch"]))
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


async def _serve(host: Host, loaded: Loaded, topology: Topology, agents: Sequence[str], owner: str, live: bool) -> None:
    settings: Settings = loaded.settings
    bus = await open_bus(settings, host.url, store_file=host.store_file)
    home = Home(bus, owner, settings.bus)
    placed = topology.only(agents)
    topology.prepare(placed, Context(agent="", data_dir=settings.data_dir, live=live))
    log.info("serving", agents=list(agents), owner=owner)
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_signals, home, group)
        group.start_soon(host.watch, home.stop)
        await Supervisor(home, topology, placed, live=live).run()
        home.stop.set()
        group.cancel_scope.cancel()
    await bus.close()
    log.info("stopped", agents=list(agents))
