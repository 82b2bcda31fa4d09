"""One server behind sentinels: replicas that are waited for, and a former primary that does not know it yet."""

import signal

import anyio
import pytest

from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from contracts.errors import TocsinError, Unavailable
from contracts.settings import RedisSettings
from tests.clusters import SentinelTrio, until
from tests.integration.bus.frames import everything, step


async def test_commit_counts_when_a_replica_has_it_and_is_not_doubled_by_waiting(new_trio: SentinelTrio) -> None:
    bus = RedisBus(connect(new_trio.url, RedisSettings(wait_replicas=1, timeout_s=1)), 1)
    await bus.commit(step(1, "", "1", 1))
    assert new_trio.replica.ask("HGET", "tocsin:{0}:ledger", "position:counter") == "1"
    new_trio.replica.ask("CONFIG", "SET", "masteruser", "nobody")
    new_trio.replica.ask("CONFIG", "SET", "masterauth", "wrong")
    new_trio.primary.ask("CLIENT", "KILL", "TYPE", "replica")
    for _ in range(2):
        # Again: it is there already and writes nothing, yet no replica has it.
        with pytest.raises(Unavailable, match="reached 0 of 1 replicas"):
            await bus.commit(step(1, "1", "2", 2))
    new_trio.replica.ask("CONFIG", "SET", "masteruser", "")
    new_trio.replica.ask("CONFIG", "SET", "masterauth", "")
    until(lambda: new_trio.replica.said("replication")["master_link_status"] == "up")
    await bus.commit(step(1, "1", "2", 2))
    assert await everything(bus) == [1, 2]
    await bus.close()
    await nobody_of_this_name(new_trio)


async def nobody_of_this_name(trio: SentinelTrio) -> None:
    bus = RedisBus(connect(trio.url.rpartition("/")[0] + "/other", RedisSettings(timeout_s=1)), 1)
    with pytest.raises(Unavailable, match="Sentinel knows no living primary of this name"):
        await bus.check()
    await bus.close()


async def test_primary_that_stood_still_during_a_failover_is_left(new_trio: SentinelTrio) -> None:
    """It wakes, does not know of its successor yet, and would take writes that nobody will ever see."""
    bus = RedisBus(connect(new_trio.url, RedisSettings(timeout_s=1)), 1)
    await bus.commit(step(1, "", "1", 1))
    new_trio.primary.kill(signal.SIGSTOP)
    with anyio.fail_after(30):
        while True:
            try:
                await bus.check()
                await bus.commit(step(1, "1", "2", 2))
                break
            except TocsinError:
                await anyio.sleep(0.05)
    new_trio.primary.kill(signal.SIGCONT)
    await bus.commit(step(1, "2", "3", 3))
    assert await everything(bus) == [1, 2, 3]
    assert new_trio.replica.ask("HGET", "tocsin:{0}:ledger", "position:counter") == "3"
    await bus.close()
