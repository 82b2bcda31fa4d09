"""``tocsin retire``: forget a reader that will not come back, so that the log need not wait for it."""

import anyio
import click

from agents.clock import Clock
from agents.topology import Topology
from bus.protocol import Bus, Place
from bus.redis import open_bus
from bus.scan import STREAMS
from contracts.errors import ConfigError, NotFound, Unavailable
from contracts.events import TaskRetired
from contracts.frames import encode
from contracts.settings import ARCHIVE

from .host import Host
from .options import Loaded, common
from .output import say


@click.command()
@common
@click.argument("reader")
def retire(loaded: Loaded, reader: str) -> None:
    """Forget READER for good: an agent, one of its tasks, or a consumer group.

    What it has not read is not kept for it any more. Should it come back, it begins at the beginning. `archive` begins
    a new archive with what the log still holds.
    """
    known = Topology.of(loaded.settings, loaded.file).known()
    if taken := sorted(name for name in known if _means(reader, name)):
        raise ConfigError(
            [f"{taken[0]} is configured"], mend="Take it out of the configuration first, or set enabled: false"
        )
    with Host(loaded.settings, attach=True) as host:
        anyio.run(_retire, host, loaded, reader, backend_options={"use_uvloop": True})


async def _retire(host: Host, loaded: Loaded, reader: str) -> None:
    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file, create=False)
    try:
        for name, known in (await forget(bus, reader, loaded.settings.bus.lease_s)).items():
            say(f"{name} is forgotten, on {known} of {bus.partitions} partitions")
    finally:
        await bus.close()


async def forget(bus: Bus, reader: str, lease_s: float) -> dict[str, int]:
    """Forget a reader for good; returns the names that it had, with the number of partitions that knew each.

    Raises NotFound where nobody has that name, Unavailable when it gives signs of life.
    """
    places = [Place(stream, number) for stream in STREAMS for number in range(bus.partitions)]
    names = sorted({name for place in places for name in await bus.readers(place) if _means(reader, name)})
    if not names:
        raise NotFound(f"nobody called {reader} reads the log")
    await _still(bus, [name.removeprefix("group ") for name in names], lease_s)
    forgotten = {}
    for name in names:
        known = [partition for partition in range(bus.partitions) if await bus.retire(partition, name)]
        await _tell(bus, name, len(known))
        forgotten[name] = len(known)
    return forgotten


def _means(reader: str, name: str) -> bool:
    """Whether the word of the user is this reader, or its agent."""
    return reader in (name, name.partition("<")[0], name.removeprefix("group "))


async def _still(bus: Bus, tasks: list[str], lease_s: float) -> None:
    """Refuse when any of them gives signs of life."""
    before = {task: beats for task in tasks if task.partition("<")[0] != ARCHIVE and (beats := await _beats(bus, task))}
    if before:
        await anyio.sleep(lease_s)
    for task, beats in before.items():
        if any(beats.get(owner) != beat for owner, beat in (await _beats(bus, task)).items()):
            raise Unavailable(f"{task} still runs: {', '.join(sorted(beats))}", mend="Stop it first")


async def _beats(bus: Bus, task: str) -> dict[str, str]:
    return await bus.members(task, "", None)


async def _tell(bus: Bus, name: str, partitions: int) -> None:
    time = Clock().wall_ns()
    event = TaskRetired.of(
        cause=name, time=time, asset=name, discriminator=str(time), reader=name, partitions=partitions
    )
    await bus.append(Place(event.stream, 0), list(encode([event], "console")))
