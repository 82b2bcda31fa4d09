"""A handler takes longer than the time after which entries are claimed. XAUTOCLAIM asks how long an entry was idle, not
whether its consumer lives, and gives it to another, which begins the same work beside it.
"""

from collections import Counter

import anyio
import pytest
from pydantic import PrivateAttr

from agents.parts import Sink
from agents.runtime.sinks.fleet import Fleet
from agents.runtime.sinks.sinking import SinkRunner
from bus.protocol import Place
from bus.redis.bus import RedisBus
from contracts.events import NotificationDue, NotificationSent
from tests.unit.runtime.counting import home, of_type
from tests.unit.runtime.test_sinking import posted

PLACE = Place(NotificationDue.stream, 0)
LEASE_S = 0.3


class Slow(Sink[NotificationDue]):
    """Takes three times as long as a member may be silent."""

    _calls: Counter[str] = PrivateAttr(default_factory=Counter)

    async def deliver(self, event: NotificationDue) -> None:
        self._calls[event.subject] += 1
        await anyio.sleep(3 * LEASE_S)


async def check(bus: RedisBus) -> None:
    bus.partitions = 1
    sink, members = Slow(), [home(bus, owner, lease_s=LEASE_S) for owner in ("one", "two")]
    await posted(bus, "a")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for member in members:
                group.start_soon(SinkRunner(member, "slow", sink, [PLACE.stream]).run)
            while not await of_type(bus, NotificationSent):  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.01)
            for member in members:
                member.stop.set()
    assert sink._calls == {"a": 1}, "begun twice"


async def test_slow_member_keeps_its_entry_as_long_as_it_lives(redis_bus: RedisBus) -> None:
    await check(redis_bus)


async def test_by_idle_time_a_slow_member_is_taken_for_dead(
    redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def idle(self: Fleet) -> dict[Place, list[str]]:
        await self.beat()
        held = (await self.home.bus.consumers(self.group, self.places)).items()
        pending = await redis_bus._server.call("XPENDING", "tocsin:{0}:notifications", self.group, "-", "+", 9)
        old = {row[1].decode() for row in pending if row[2] > LEASE_S * 1000}
        return {place: gone for place, holders in held if (gone := sorted(set(holders) & old - {self.home.owner}))}

    async def untouched(self: SinkRunner) -> None:
        """Most consumers know no sign of work."""

    monkeypatch.setattr(Fleet, "dead", idle)
    monkeypatch.setattr(SinkRunner, "_touch", untouched)
    with pytest.raises(AssertionError, match="begun twice"):
        await check(redis_bus)
