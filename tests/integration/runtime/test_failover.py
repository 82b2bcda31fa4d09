"""A primary dies under a pipeline: source, processor and sink go on with the replica, and the log is what it would be.

With `wait_replicas` nothing is lost. Without it the replica may lack the end of the log; that is noticed, told, and
read again from the source.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from anyio import to_thread

from agents.parts import Harvest, Sink
from agents.runtime.sources import sourcing
from agents.supervisor import Supervisor
from agents.topology import Placed, Topology
from bus.memory import MemoryBus
from bus.protocol import Bus
from bus.redis.opening import open_bus
from console.drained import behind
from contracts.errors import Unavailable
from contracts.events import DataQualityIncident, LogRewound, ReadingsAcquired
from contracts.settings import BusSettings, RedisSettings, Settings
from tests.clusters import Node, RedisCluster, SentinelTrio, until
from tests.unit.runtime.counting import Counter, Shelf, finished, home, of_type, story

PARTITIONS = 6
#: Incidents that the sinks of this test were given, by id.
DELIVERED: list[str] = []


class Steady(Shelf):
    """A shelf that takes its time."""

    count: int = 1_200
    assets: int = 40
    batch: int = 10
    pause_s: float = 0.01

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        async for harvest in super().harvests(name, resume):
            await anyio.sleep(self.pause_s)
            yield harvest


class Listing(Sink[DataQualityIncident]):
    """Notes what it is given."""

    async def deliver(self, event: DataQualityIncident) -> None:
        DELIVERED.append(event.id)


def pipeline(bus: Bus, source: Shelf) -> Supervisor:
    placed = [
        Placed("acquisition", "plant", source),
        Placed("counter", "counter", Counter()),
        Placed("list", "list", Listing()),
    ]
    surroundings = home(bus, lease_s=1.0, backoff_s=0.05, backoff_max_s=0.2, snapshot_s=0.5)
    return Supervisor(surroundings, Topology(placed), placed, live=False)


async def played(bus: Bus, source: Shelf, fault: Callable[[Supervisor], Any] | None = None) -> list[str]:
    """What is in the log when everything has gone through; ``fault`` happens meanwhile."""
    DELIVERED.clear()
    running = pipeline(bus, source)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run)
        if fault is not None:
            await fault(running)
        missing = await everything_through(bus)
        running.home.stop.set()
    assert missing == ""
    return await story(bus, ReadingsAcquired.stream, "incidents")


async def everything_through(bus: Bus, within_s: float = 45) -> str:
    """Wait until nothing is on its way; what is, where that takes too long."""
    topology = pipeline(bus, Steady()).topology
    missing = "not looked"
    with anyio.move_on_after(within_s):
        while missing:
            try:
                missing = str(await behind(bus, topology) or await behind(bus, topology) or "")
                missing = missing or ("" if await finished(bus) else "the source")
            except Unavailable as error:  # a primary is missing for a while
                missing = str(error)
            await anyio.sleep(0.1)
    return missing


async def far_enough(running: Supervisor, readings: int) -> None:
    while not running.sources or running.sources[0].readings < readings:  # noqa: ASYNC110 - a plain number of the runner
        await anyio.sleep(0.01)


async def opened(url: str, replicas: int) -> Bus:
    settings = Settings(
        redis=RedisSettings(wait_replicas=replicas, timeout_s=2), bus=BusSettings(partitions=PARTITIONS)
    )
    return await open_bus(settings, url)


def cut_off(primary: Node, replica: Node) -> None:
    """The replica gets nothing any more, and does not know it: it would take over with what it has."""
    replica.ask("CONFIG", "SET", "masteruser", "nobody")
    replica.ask("CONFIG", "SET", "masterauth", "wrong")
    primary.ask("CLIENT", "KILL", "TYPE", "replica")
    until(lambda: primary.said("replication")["connected_slaves"] == "0")


@pytest.fixture
async def undisturbed() -> list[str]:
    return await played(MemoryBus(PARTITIONS), Steady(pause_s=0))


async def test_killed_primary_loses_nothing_that_a_replica_was_waited_for(
    new_cluster: RedisCluster, undisturbed: list[str]
) -> None:
    bus = await opened(new_cluster.url, replicas=1)

    async def fault(running: Supervisor) -> None:
        await far_enough(running, 400)
        killed = new_cluster.primary_of(0)
        killed.kill()
        await to_thread.run_sync(lambda: until(lambda: new_cluster.primary_of(0) is not killed))
        # Back as a replica: until then the new primary has none, and every commit waits for one.
        killed.start()

    assert await played(bus, Steady(), fault) == undisturbed
    assert await of_type(bus, LogRewound) == []
    incidents = {event.id for event in await of_type(bus, DataQualityIncident)}
    assert set(DELIVERED) == incidents
    await bus.close()


@pytest.mark.parametrize("kind", ["cluster", pytest.param("sentinel", marks=pytest.mark.soak)])
async def test_end_that_a_replica_lacks_is_noticed_told_and_read_again(
    kind: str, request: pytest.FixtureRequest, undisturbed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the source's own place is written after the loss begins, on a node that loses nothing.
    monkeypatch.setattr(sourcing, "_RESUME_S", 0.05)
    live: RedisCluster | SentinelTrio = request.getfixturevalue("new_cluster" if kind == "cluster" else "new_trio")
    bus = await opened(live.url, replicas=0)

    async def fault(running: Supervisor) -> None:
        await far_enough(running, 300)
        primary = live.primary_of(0) if isinstance(live, RedisCluster) else live.primary
        replica = live.replica_of(primary) if isinstance(live, RedisCluster) else live.replica
        cut_off(primary, replica)
        await far_enough(running, 600)
        primary.kill()

    found = await played(bus, Steady(), fault)
    rewound = await of_type(bus, LogRewound)
    assert found == undisturbed
    assert rewound, "it lost something and did not say so"
    assert all(event.first <= event.last for event in rewound)
    incidents = {event.id for event in await of_type(bus, DataQualityIncident)}
    assert set(DELIVERED) == incidents
    await bus.close()
