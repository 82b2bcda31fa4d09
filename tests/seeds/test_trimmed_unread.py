"""A stream is trimmed by its length while a reader is behind. XREAD goes on at the oldest entry that is left, and what
was between is never missed; a pending entry that was trimmed comes back as ``{}`` and is acknowledged as done.
"""

from collections.abc import Sequence
from unittest.mock import patch

import anyio
import pytest

from agents.runtime import lane as lanes
from agents.runtime.lane import Lane
from agents.runtime.sinking import SinkRunner
from bus import keys
from bus.protocol import Delivery, Entry, Place
from bus.redis.bus import RedisBus
from contracts.errors import Diverged
from contracts.events import DeadLettered, NotificationDue
from tests.unit.runtime.counting import INPUT, Counter, feed, home, of_type, plant
from tests.unit.runtime.test_sinking import delivered, pager, posted

PLACE, NOTICES = Place(INPUT, 0), Place(NotificationDue.stream, 0)


async def lane(bus: RedisBus, token: int) -> Lane:
    found = Lane(home(bus), Counter(), f"counter<{INPUT}", PLACE, token)
    await found.open()
    return found


async def check_unread(bus: RedisBus) -> None:
    """Ten entries of seven readings: the first is handled, the next three are trimmed, the others are handled."""
    bus.partitions = 1
    await feed(bus, plant(70), cut=7)
    ours = await lane(bus, 1)
    await ours.step((await bus.read({PLACE: 0}, count=1))[PLACE])
    await bus._server.call("XTRIM", keys.stream(PLACE), "MAXLEN", 6)
    with patch.object(lanes, "log") as log:
        await ours.step((await bus.read({PLACE: ours.position}, count=100))[PLACE])
    holes = [(call.kwargs["first"], call.kwargs["last"]) for call in log.error.call_args_list]
    assert holes == [(8, 28)], "nobody missed them"
    with pytest.raises(Diverged, match="should go on at 1, found 29"):
        await lane(bus, 2)


async def check_pending(bus: RedisBus) -> None:
    """Of two notices that were fetched one is trimmed before a restart."""
    bus.partitions = 1
    await posted(bus, "a", "b")
    await bus.subscribe("pager", [NOTICES])
    assert len(await bus.fetch("pager", "one", [NOTICES], count=10)) == 2
    await bus._server.call("XTRIM", keys.stream(NOTICES), "MAXLEN", 1)
    sink = pager()
    await delivered(home(bus, owner="one"), sink)
    assert sink._calls == ["b"]
    letters = await of_type(bus, DeadLettered)
    assert ["was deleted before it was read" in letter.reason for letter in letters] == [True], "taken for done"


def unmissed(self: Lane, entries: Sequence[Entry]) -> list[tuple[int, int]]:
    """A reader without ordinals cannot know."""
    return []


async def taken_for_done(self: SinkRunner, delivery: Delivery, *rest: object) -> None:
    await self.home.bus.settle(self.group, delivery.place, delivery.entry)


async def test_entries_that_were_trimmed_unread_are_missed(redis_bus: RedisBus) -> None:
    await check_unread(redis_bus)


async def test_without_ordinals_nobody_misses_them(redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lane, "_holes", unmissed)
    with pytest.raises(AssertionError, match="nobody missed them"):
        await check_unread(redis_bus)


async def test_entry_that_was_trimmed_while_pending_is_a_dead_letter(redis_bus: RedisBus) -> None:
    await check_pending(redis_bus)


async def test_empty_entry_is_usually_taken_for_done(redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SinkRunner, "_bury", taken_for_done)
    with anyio.fail_after(10), pytest.raises(AssertionError, match="taken for done"):
        await check_pending(redis_bus)
