"""What only a cluster can do: slots that move, nodes that lose their data alone, limits of one node.

That the bus means the same there is what all other tests of this folder show: they run on the cluster, too.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus import keys
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.cluster import Cluster
from bus.redis.connecting import connect
from bus.redis.opening import open_bus
from contracts.errors import Rewound, StoreLost, StoreRefused, Unavailable
from contracts.settings import BusSettings, Settings
from tests.clusters import Node, RedisCluster, until
from tests.conftest import PARTITIONS, Servers, emptied
from tests.integration.bus.frames import STREAM, TASK, everything, frame, step

SETTINGS = Settings(bus=BusSettings(partitions=PARTITIONS))


@pytest.fixture
def cluster(servers: Servers) -> RedisCluster:
    return servers.cluster


@pytest.fixture
async def cluster_bus(cluster: RedisCluster, tmp_path: Path) -> AsyncIterator[RedisBus]:
    """A log that knows itself, on an empty cluster."""
    await (await emptied(cluster)).close()
    bus = await open_bus(SETTINGS, cluster.url, store_file=tmp_path / "store")
    yield bus
    await bus.close()


def move(source: Node, target: Node, slot: int, *, finish: bool) -> None:
    """Move a slot with everything in it; not finished, its keys are there already and its name is not."""
    names = {node: node.ask("CLUSTER", "MYID") for node in (source, target)}
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
    for key in source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1000):
        source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
    if finish:
        for node in (target, source):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target])


async def test_partitions_are_on_several_nodes(cluster: RedisCluster) -> None:
    assert len({cluster.primary_of(partition).port for partition in range(PARTITIONS)}) > 1


async def test_slot_that_moves_is_waited_for_and_then_found(cluster: RedisCluster, cluster_bus: RedisBus) -> None:
    await cluster_bus.commit(step(1, "", "1", 1))
    source = cluster.primary_of(0)
    target = next(
        cluster.primary_of(number) for number in range(PARTITIONS) if cluster.primary_of(number) is not source
    )
    slot = source.ask("CLUSTER", "KEYSLOT", "{0}")
    move(source, target, slot, finish=False)
    with pytest.raises(Unavailable, match="being moved"):
        await cluster_bus.commit(step(1, "1", "2", 2))
    move(source, target, slot, finish=True)
    await cluster_bus.commit(step(1, "1", "2", 2))
    assert await everything(cluster_bus) == [1, 2]
    assert cluster.primary_of(0) is target
    await cluster_bus.check()
    move(target, source, slot, finish=True)
    places = {Place(STREAM, number): 0 for number in range(PARTITIONS)}
    assert list(await cluster_bus.read(places, count=5)) == [Place(STREAM, 0)], "in one pipeline with others"


async def test_node_that_lost_its_data_alone_is_noticed(cluster: RedisCluster, cluster_bus: RedisBus) -> None:
    """The identity of the log is still there, on another node."""
    home_of_store = cluster.nodes[0].ask("CLUSTER", "KEYSLOT", keys.STORE)
    lost = next(
        number
        for number in range(PARTITIONS)
        if not any(
            first <= home_of_store <= last and port == cluster.primary_of(number).port
            for first, last, (_, port, *_), *_ in cluster.nodes[0].ask("CLUSTER", "SLOTS")
        )
    )
    await cluster_bus.commit(step(1, "", "5", 1, partition=lost))
    cluster.primary_of(lost).ask("FLUSHALL")
    with pytest.raises(Rewound):
        await cluster_bus.commit(step(1, "5", "6", 2, partition=lost))
    with pytest.raises(StoreLost, match=rf"nothing of it in partitions .*{lost}"):
        await cluster_bus.fence(lost, TASK, 2)
    with pytest.raises(StoreLost, match="nothing of it in partitions"):
        await cluster_bus.check()
    with pytest.raises(StoreLost):
        await open_bus(SETTINGS, cluster.url)


async def test_the_fullest_node_counts_and_one_that_evicts_is_refused(
    cluster: RedisCluster, cluster_bus: RedisBus, tmp_path: Path
) -> None:
    node = cluster.primary_of(1)
    before = await cluster_bus.fullness()
    used = int(node.said("memory")["used_memory"])
    node.ask("CONFIG", "SET", "maxmemory", used * 2)
    try:
        assert before < 0.1
        assert 0.4 < await cluster_bus.fullness() < 0.7
        node.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        with pytest.raises(StoreRefused, match=rf"maxmemory-policy of 127\.0\.0\.1:{node.port} is allkeys-lru"):
            await cluster_bus.check()
        with pytest.raises(StoreRefused):
            await open_bus(SETTINGS, cluster.url)
    finally:
        node.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        node.ask("CONFIG", "SET", "maxmemory", "512mb")


async def test_every_node_is_asked_whether_all_is_on_disk(cluster: RedisCluster) -> None:
    bus = await emptied(cluster)
    await bus.persist()
    assert list((await bus._server.each("DBSIZE")).values()) == [1, 1, 1]
    await bus.close()


async def test_single_node_of_a_cluster_says_what_it_is(cluster: RedisCluster) -> None:
    bus = RedisBus(connect(f"redis://127.0.0.1:{cluster.nodes[0].port}"), PARTITIONS)
    elsewhere = next(number for number in range(9) if cluster.primary_of(number) is not cluster.nodes[0])
    with pytest.raises(Unavailable, match=r"redis\+cluster://"):
        await bus.append(Place(STREAM, elsewhere), [frame(1)])
    await bus.close()


@pytest.mark.soak
async def test_cluster_without_a_slot_is_unavailable_and_comes_back(new_cluster: RedisCluster) -> None:
    server = connect(new_cluster.url, timeout_s=1)
    assert isinstance(server, Cluster)
    bus = RedisBus(server, PARTITIONS)
    await bus.commit(step(1, "", "1", 1))
    primary = new_cluster.primary_of(0)
    pair = [primary, new_cluster.replica_of(primary)]
    other = next(number for number in range(9) if new_cluster.primary_of(number) is not primary)
    for node in pair:
        node.kill()
    with pytest.raises(Unavailable):
        await bus.commit(step(1, "1", "2", 2))
    living = next(node for node in new_cluster.nodes if node.alive())
    until(lambda: "cluster_state:fail" in living.ask("CLUSTER", "INFO"))
    with pytest.raises(Unavailable, match=r"CLUSTER INFO|misses slots"):
        await bus.commit(step(1, "", "1", 1, partition=other))
    for node in pair:
        node.start()
    new_cluster.settle()
    await bus.commit(step(1, "1", "2", 2))
    assert await everything(bus) == [1, 2]
    await bus.close()
