"""One server behind sentinels: replicas that are waited for, and a former primary that does not know it yet."""

import signal
from pathlib import Path

import anyio
import pytest

from bus.embedded import _binary
from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from contracts.errors import TocsinError, Unavailable
from contracts.settings import RedisSettings
from tests.clusters import SentinelTrio, data_node, free_ports, stop, until
from tests.conftest import need
from tests.integration.bus.frames import everything, step
from tests.servers import REDIS_BINARY


async def nobody_of_this_name(trio: SentinelTrio) -> None:
    bus = RedisBus(connect(trio.url.rpartition("/")[0] + "/other", RedisSettings(timeout_s=1)), 1)
    with pytest.raises(Unavailable, match="Sentinel knows no living primary of this name"):
        await bus.check()
    await bus.close()


@pytest.mark.parametrize("kind", ["valkey", "redis"])
async def test_commit_that_is_sent_again_waits_for_the_replica_too(kind: str, tmp_path: Path) -> None:
    """It is there already and writes nothing. Newer servers wait for what a line has written, and so for nothing."""
    need(kind)
    binary = str(_binary()) if kind == "valkey" else REDIS_BINARY
    ports = free_ports(2)
    follow = ("--replicaof", "127.0.0.1", str(ports[0]))
    primary = data_node(tmp_path / "a", ports[0], binary=binary)
    replica = data_node(tmp_path / "b", ports[1], *follow, binary=binary)
    settings = RedisSettings(wait_replicas=1, timeout_s=1)
    try:
        primary.start()
        replica.start()
        until(lambda: replica.said("replication")["master_link_status"] == "up")
        until(lambda: "state=online" in primary.said("replication").get("slave0", ""))
        buses = [RedisBus(connect(f"redis://127.0.0.1:{primary.port}", settings), 1) for _ in range(2)]
        await buses[0].commit(step(1, "", "1", 1))
        replica.kill(signal.SIGSTOP)
        for bus in buses:
            with pytest.raises(Unavailable, match="reached 0 of 1 replicas"):
                await bus.commit(step(1, "1", "2", 2))
        replica.kill(signal.SIGCONT)
        for bus in buses:
            await bus.commit(step(1, "1", "2", 2))
            await bus.close()
    finally:
        stop([primary, replica])


async def test_primary_that_stood_still_during_a_failover_is_left(new_trio: SentinelTrio) -> None:
    """It wakes, does not know of its successor yet, and would take writes that nobody will ever see."""
    busy, idle = (RedisBus(connect(new_trio.url, RedisSettings(timeout_s=1)), 1) for _ in range(2))
    await idle.commit(step(1, "", "1", 1))
    new_trio.primary.kill(signal.SIGSTOP)
    with anyio.fail_after(30):
        while True:
            try:
                await busy.commit(step(1, "1", "2", 2))
                break
            except TocsinError:
                await anyio.sleep(0.05)
    new_trio.primary.kill(signal.SIGCONT)
    await idle.check()
    await idle.commit(step(1, "2", "3", 3))
    assert await everything(busy) == [1, 2, 3]
    assert new_trio.replica.ask("HGET", "tocsin:{0}:ledger", "position:counter") == "3"
    await busy.close()
    await idle.close()
    await nobody_of_this_name(new_trio)
