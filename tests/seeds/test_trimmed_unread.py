"""A stream is trimmed by its length while a reader is behind. XREAD goes on at the oldest entry that is left, and
nobody misses what was between.
"""

from collections.abc import Sequence

import pytest

from agents.runtime.lanes import lane as lanes
from agents.runtime.lanes.lane import Lane
from bus import keys
from bus.protocol import Entry, Place
from bus.redis.bus import RedisBus
from bus.scan import scan
from contracts.errors import Diverged
from contracts.events import LogGap
from tests.unit.runtime.counting import INPUT, Counter, feed, home, plant

PLACE, TASK = Place(INPUT, 0), f"counter<{INPUT}"


async def lane(bus: RedisBus, token: int) -> Lane:
    found = Lane(home(bus), Counter(), TASK, PLACE, token)
    await found.open()
    return found


async def check(bus: RedisBus) -> None:
    """Ten entries of seven readings: the first is handled, the next three are trimmed, the others are handled."""
    bus.partitions = 1
    await feed(bus, plant(70), cut=7)
    reader = await lane(bus, 1)
    await reader.step((await bus.read({PLACE: 0}, count=1))[PLACE])
    await bus._server.call("XTRIM", keys.stream(PLACE), "MAXLEN", 6)
    await reader.step((await bus.read({PLACE: reader.position}, count=100))[PLACE])
    told = [event async for found in scan(bus, Place(LogGap.stream, 0)) for event in found.events]
    assert [(event.first, event.last) for event in told if isinstance(event, LogGap)] == [(8, 28)], "nobody missed them"
    assert (await lane(bus, 2)).position == 70, "the snapshot behind the gap is enough"
    await bus._server.call("DEL", *(name(0, TASK) for name in (keys.snapshot, keys.previous_snapshot)))
    with pytest.raises(Diverged, match="should go on at 1, found 29"):
        await lane(bus, 3)


async def test_entries_that_were_trimmed_unread_are_missed(redis_bus: RedisBus) -> None:
    """A processor says which; a successor that would have to compute its state without them refuses."""
    await check(redis_bus)


async def test_without_ordinals_nobody_misses_them(redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch) -> None:
    def unmissed(position: int, entries: Sequence[Entry]) -> list[tuple[int, int]]:
        return []

    monkeypatch.setattr(lanes, "holes", unmissed)
    with pytest.raises(AssertionError, match="nobody missed them"):
        await check(redis_bus)
