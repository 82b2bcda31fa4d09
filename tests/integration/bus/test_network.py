"""Faults between us and the server: no lost reply, late request or dead line doubles or loses a commit."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.errors import PositionMoved, Unavailable
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import STREAM, TASK, everything, frame, step
from tests.servers import Fate, LiveServer, Proxy, always, proxied

PLACE = Place(STREAM, 0)


def once(fate: Fate, word: bytes = b"EVALSHA") -> Callable[[bytes], Fate]:
    """The first request that holds ``word`` meets its fate; all others pass."""
    left = [fate]

    def plan(request: bytes) -> Fate:
        return left.pop() if word in request and left else Fate.PASS

    return plan


@asynccontextmanager
async def through(server: LiveServer) -> AsyncIterator[tuple[RedisBus, Proxy]]:
    """An empty bus behind a proxy, with a short time limit."""
    async with proxied(server) as proxy:
        bus = RedisBus(Server(proxy.url, timeout_s=0.3), PARTITIONS)
        await bus._server.call("FLUSHALL")
        await bus.fence(0, "warm", 1)
        await bus.commit(step(1, "", "1", task="warm"))
        yield bus, proxy
        await bus.close()


async def test_commit_whose_reply_was_lost_is_repeated_without_doubling(server: LiveServer) -> None:
    async with through(server) as (bus, proxy):
        proxy.plan = once(Fate.LOSE_REPLY)
        with pytest.raises(Unavailable):
            await bus.commit(step(1, "", "1", 1))
        assert await bus.position(0, TASK) == "1", "it had been applied"
        await bus.commit(step(1, "", "1", 1))
        assert await everything(bus) == [1]


async def test_nothing_is_sent_twice_by_the_library(server: LiveServer) -> None:
    """An append is not idempotent: a retry below us would double it."""
    async with through(server) as (bus, proxy):
        await bus.append(PLACE, [frame(0)])
        proxy.plan = once(Fate.LOSE_REPLY)
        with pytest.raises(Unavailable):
            await bus.append(PLACE, [frame(1)])
        assert await everything(bus) == [0, 1]


async def test_commit_delayed_past_newer_ones_is_not_applied(server: LiveServer) -> None:
    async with through(server) as (bus, proxy):
        proxy.plan = once(Fate.HOLD)
        with pytest.raises(Unavailable):
            await bus.commit(step(1, "", "1", 1))
        assert proxy.held.is_set()
        await bus.commit(step(1, "", "1", 1))
        await bus.commit(step(1, "1", "2", 2))
        proxy.release()
        with anyio.fail_after(40):
            await proxy.delivered.wait()
        assert await everything(bus) == [1, 2]
        assert await bus.position(0, TASK) == "2"


async def test_commit_delayed_past_a_takeover_is_not_applied(server: LiveServer) -> None:
    async with through(server) as (bus, proxy):
        proxy.plan = once(Fate.HOLD)
        with pytest.raises(Unavailable):
            await bus.commit(step(1, "", "1", 1))
        assert await bus.fence(0, TASK, 2) == ""
        proxy.release()
        with anyio.fail_after(40):
            await proxy.delivered.wait()
        assert await everything(bus) == []
        assert await bus.position(0, TASK) == ""


async def test_late_commit_that_came_first_makes_another_one_moved(server: LiveServer) -> None:
    """The same owner read more meanwhile and commits a longer step: it must read again from where it stands."""
    async with through(server) as (bus, proxy):
        proxy.plan = once(Fate.LOSE_REPLY)
        with pytest.raises(Unavailable):
            await bus.commit(step(1, "", "1", 1))
        with pytest.raises(PositionMoved) as caught:
            await bus.commit(step(1, "", "2", 1, 2))
        assert caught.value.found == "1"
        assert await everything(bus) == [1]


async def test_dead_line_is_noticed_in_the_time_limit(server: LiveServer) -> None:
    async with through(server) as (bus, proxy):
        proxy.plan = lambda request: Fate.SWALLOW
        began = anyio.current_time()
        with pytest.raises(Unavailable, match="does not answer"):
            await bus.commit(step(1, "", "1", 1))
        with pytest.raises(Unavailable):
            await bus.read({PLACE: 0}, count=10, block_s=0.2)
        assert anyio.current_time() - began < 25
        proxy.plan = always
        await bus.commit(step(1, "", "1", 1))
        assert await everything(bus) == [1]


async def test_cut_line_is_opened_again(server: LiveServer) -> None:
    async with through(server) as (bus, proxy):
        await bus.commit(step(1, "", "1", 1))
        proxy.cut()
        await anyio.sleep(0.02)
        for _ in range(3):
            try:
                await bus.commit(step(1, "1", "2", 2))
                break
            except Unavailable:  # the pool may hold more than one dead line
                continue
        assert await everything(bus) == [1, 2]


async def test_slow_line_only_costs_time(server: LiveServer) -> None:
    async with through(server) as (bus, proxy):
        proxy.delay_s = 0.1
        await bus.commit(step(1, "", "1", 1))
        assert await everything(bus) == [1]


async def test_blocked_read_outlives_the_time_limit_of_commands(server: LiveServer) -> None:
    async with through(server) as (bus, _):
        began = anyio.current_time()
        assert await bus.read({PLACE: 0}, count=10, block_s=1.0) == {}
        assert anyio.current_time() - began >= 0.9


async def test_settling_whose_reply_was_lost_is_repeated_without_doubling(server: LiveServer) -> None:
    async with through(server) as (bus, proxy):
        await bus.subscribe("pager", [PLACE])
        await bus.append(PLACE, [frame(1), frame(2)])
        first, second = await bus.fetch("pager", "one", [PLACE], count=10)
        await bus.settle("pager", PLACE, first.entry)
        proxy.plan = once(Fate.LOSE_REPLY)
        with pytest.raises(Unavailable):
            await bus.settle("pager", PLACE, second.entry, [("receipts", frame(11))])
        assert not await bus.settle("pager", PLACE, second.entry, [("receipts", frame(11))])
        assert await everything(bus, "receipts") == [11]
