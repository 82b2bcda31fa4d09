"""An entry is trimmed or deleted after a consumer was given it and before it was done. It comes back without fields,
and a consumer that finds nothing to do in it acknowledges it as done.
"""

import pytest

from agents.runtime.sinking import SinkRunner
from bus import keys
from bus.protocol import Delivery, Place
from bus.redis.bus import RedisBus
from contracts.events import DeadLettered, NotificationDue
from tests.unit.runtime.counting import home, of_type
from tests.unit.runtime.test_sinking import delivered, pager, posted

PLACE = Place(NotificationDue.stream, 0)


async def check(bus: RedisBus) -> None:
    """Of two notices that were fetched one is trimmed before a restart."""
    bus.partitions = 1
    await posted(bus, "a", "b")
    await bus.subscribe("pager", [PLACE])
    assert len(await bus.fetch("pager", "one", [PLACE], count=10)) == 2
    await bus._server.call("XTRIM", keys.stream(PLACE), "MAXLEN", 1)
    sink = pager()
    await delivered(home(bus, owner="one"), sink)
    assert sink._calls == ["b"]
    letters = await of_type(bus, DeadLettered)
    assert ["was deleted before it was read" in letter.reason for letter in letters] == [True], "taken for done"


async def test_entry_that_was_trimmed_while_pending_is_a_dead_letter(redis_bus: RedisBus) -> None:
    await check(redis_bus)


async def test_empty_entry_is_usually_taken_for_done(redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch) -> None:
    async def done(self: SinkRunner, delivery: Delivery, *rest: object) -> None:
        await self.home.bus.settle(self.group, delivery.place, delivery.entry)

    monkeypatch.setattr(SinkRunner, "_bury", done)
    with pytest.raises(AssertionError, match="taken for done"):
        await check(redis_bus)
