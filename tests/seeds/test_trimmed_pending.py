"""An entry is trimmed or deleted after a consumer was given it and before it was done. It comes back without fields,
and a consumer that finds nothing to do in it acknowledges it as done.
"""

import pytest

from agents.runtime.sinks.parcels import Opened
from agents.runtime.sinks.unpacking import Unpacker
from bus import keys
from bus.protocol import Delivery, Place
from bus.redis.bus import RedisBus
from contracts.events import LogGap, NotificationDue
from tests.unit.runtime.counting import home, of_type
from tests.unit.runtime.test_sinking import delivered, pager, posted

PLACE = Place(NotificationDue.stream, 0)


async def check(bus: RedisBus) -> None:
    """Of three notices that were fetched one is trimmed and one deleted before a restart."""
    bus.partitions = 1
    await posted(bus, "a", "b", "c")
    await bus.subscribe("pager", [PLACE])
    assert len(await bus.fetch("pager", "one", [PLACE], count=10)) == 3
    await bus._server.call("XTRIM", keys.stream(PLACE), "MAXLEN", 2)
    await bus._server.call("XDEL", keys.stream(PLACE), "3-1")
    sink = pager()
    await delivered(home(bus, owner="one"), sink)
    assert sink._calls == ["b"]
    gaps = [(gap.agent, gap.origin, gap.first, gap.last) for gap in await of_type(bus, LogGap)]
    assert gaps == [("pager", PLACE.stream, 1, 1), ("pager", PLACE.stream, 3, 3)], "taken for done"


async def test_entry_that_was_removed_while_pending_is_a_gap(redis_bus: RedisBus) -> None:
    await check(redis_bus)


async def test_empty_entry_is_usually_taken_for_done(redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Unpacker.opened

    async def done(self: Unpacker, delivery: Delivery) -> Opened | None:
        if delivery.entry.fields:
            return await opened(self, delivery)
        await self.home.bus.settle(self.name, delivery.place, delivery.entry)
        return None

    monkeypatch.setattr(Unpacker, "opened", done)
    with pytest.raises(AssertionError, match="taken for done"):
        await check(redis_bus)
