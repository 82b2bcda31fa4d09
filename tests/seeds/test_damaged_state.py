"""The saved state of an agent lost a bit on the disk, or is of another class since an upgrade. It is loaded as it is,
and every score after it is wrong; or it cannot be loaded, and the agent begins again from nothing without a word.
"""

import struct

import pytest

from agents.runtime.lanes.comparison import Comparison
from agents.runtime.lanes.lane import Lane
from agents.runtime.lanes.recovery import Recovery
from agents.state import dump
from bus import keys
from bus.protocol import Entry, Place
from bus.redis import snapshots
from bus.redis.bus import RedisBus
from contracts.readings import Readings
from tests.unit.runtime.counting import INPUT, Counter, feed, home, plant

PLACE = Place(INPUT, 0)
TASK = f"counter<{INPUT}"


async def lane(bus: RedisBus, token: int) -> Lane:
    found = Lane(home(bus), Counter(), TASK, PLACE, token)
    await found.open()
    return found


async def damage(bus: RedisBus, total: int) -> None:
    """Flip the lowest bit of what the saved state counts."""
    name = keys.snapshot(0, TASK)
    data = await bus._server.call("HGET", name, "data")
    stored = struct.pack("<q", total)
    assert data.endswith(stored)
    await bus._server.call("HSET", name, "data", data[: -len(stored)] + struct.pack("<q", total ^ 1))


async def check(bus: RedisBus) -> None:
    """Forty readings handled and saved; the save is damaged, and the next owner recovers."""
    bus.partitions = 1
    readings: Readings = plant(40)
    await feed(bus, readings, cut=7)
    before = await lane(bus, 1)
    await before.step((await bus.read({PLACE: 0}, count=100))[PLACE])
    await before.save_if_due(now=True)
    await damage(bus, 40)
    after = await lane(bus, 2)
    assert after.position == before.position
    assert dump(after.state) == dump(before.state), "another state"


async def test_damaged_state_is_computed_again_from_the_log(redis_bus: RedisBus) -> None:
    await check(redis_bus)


async def test_without_its_digest_the_damage_is_loaded(redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "digest_of", lambda *parts: b"no digest")
    with pytest.raises(AssertionError, match="another state"):
        await check(redis_bus)


async def no_comparison(self: Comparison, where: str) -> None:
    """It would notice: this is the mutant without it."""


async def test_beginning_from_nothing_is_another_state_too(
    redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_is_replayed(self: Recovery, entries: list[Entry]) -> None:
        self.position = entries[-1].last

    monkeypatch.setattr(Recovery, "_replay", nothing_is_replayed)
    monkeypatch.setattr(Comparison, "finish", no_comparison)
    with pytest.raises(AssertionError, match="another state"):
        await check(redis_bus)
