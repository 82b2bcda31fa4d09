"""A lease that ends at a time of day (``SET NX PX`` is one, by the server's clock) is stolen from a living owner when
the clock jumps forward. When it jumps back, a dead owner's lease of five seconds lives for an hour.
"""

from dataclasses import dataclass

import pytest

from agents.clock import Clock
from agents.runtime.home import Home
from agents.runtime.ownership import Ownership
from bus.memory import MemoryBus
from bus.protocol import Bus
from bus.redis.bus import RedisBus
from contracts.settings import BusSettings

TASK, HOUR, LEASE_S = "counter", 3600.0, 3.0


@dataclass
class Clocks:
    """A wall clock that jumps, and one that only goes forward."""

    wall_s: float = 1e9
    monotonic_s: float = 0.0

    def go(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds

    def home(self, bus: Bus, owner: str) -> Home:
        clock = Clock(wall_ns=lambda: int(self.wall_s * 1e9), monotonic_s=lambda: self.monotonic_s)
        return Home(bus, owner, BusSettings(lease_s=LEASE_S), clock)


class ByWallClock(MemoryBus):
    """A lease is over when the wall clock says so; signs of life only move its end."""

    def __init__(self, clocks: Clocks) -> None:
        super().__init__(1)
        self.clocks, self.end_s = clocks, 0.0

    async def acquire(self, partition: int, task: str, owner: str, *, seen: str | None) -> int | None:
        if self.clocks.wall_s < self.end_s:
            return None
        self.end_s = self.clocks.wall_s + LEASE_S
        return await super().acquire(partition, task, owner, seen=await self.sign(partition, task))

    async def renew(self, partition: int, task: str, owner: str, token: int) -> bool:
        self.end_s = max(self.end_s, self.clocks.wall_s + LEASE_S)
        return await super().renew(partition, task, owner, token)


async def check(bus: Bus, clocks: Clocks, jump_s: float) -> None:
    owner, standby = (Ownership(clocks.home(bus, name), TASK) for name in ("owner", "standby"))
    assert (await owner.refresh()).gained
    assert not (await standby.refresh()).gained
    clocks.wall_s += jump_s
    for _ in range(6):
        assert not (await standby.refresh()).gained, "stolen from a living owner"
        clocks.go(LEASE_S / 3)
        await owner.refresh()
    died = clocks.monotonic_s
    while not (await standby.refresh()).gained:
        clocks.go(LEASE_S / 3)
        assert clocks.monotonic_s < died + 3 * LEASE_S, "a dead owner's lease lives on"


@pytest.mark.parametrize("jump_s", [HOUR, -HOUR])
async def test_clock_jumps_neither_steal_nor_keep_a_lease(redis_bus: RedisBus, jump_s: float) -> None:
    redis_bus.partitions = 1
    await check(redis_bus, Clocks(), jump_s)


@pytest.mark.parametrize(("jump_s", "says"), [(HOUR, "stolen"), (-HOUR, "lives on")])
async def test_lease_by_the_wall_clock_is_stolen_or_immortal(jump_s: float, says: str) -> None:
    clocks = Clocks()
    with pytest.raises(AssertionError, match=says):
        await check(ByWallClock(clocks), clocks, jump_s)
