"""An entry is acknowledged by one command and its receipt is written by another, and the line dies between the two.
One order loses the receipt for good; the other writes it again at every further try.
"""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from bus import keys
from bus.protocol import Entry, Place
from bus.redis.bus import RedisBus
from bus.redis.log import entry_id
from bus.redis.server import Server
from contracts.errors import Unavailable
from contracts.frames import Frame
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import STREAM, everything, frame
from tests.seeds.mutants import once
from tests.servers import Fate, LiveServer, always, proxied

PLACE = Place(STREAM, 0)
Outputs = Sequence[tuple[str, Frame]]


class AckFirst(RedisBus):
    async def settle(self, group: str, place: Place, entry: Entry, outputs: Outputs = ()) -> bool:
        await self._server.call("XACK", keys.stream(place), group, entry_id(entry))
        for stream, out in outputs:
            await self.append(Place(stream, place.partition), [out])
        return True


class ReceiptFirst(RedisBus):
    async def settle(self, group: str, place: Place, entry: Entry, outputs: Outputs = ()) -> bool:
        for stream, out in outputs:
            await self.append(Place(stream, place.partition), [out])
        return bool(await self._server.call("XACK", keys.stream(place), group, entry_id(entry)))


async def check(server: LiveServer, kind: type[RedisBus], number: int) -> None:
    """The line dies at the ``number``-th request of a settling; the entry is delivered again if it is still there."""
    async with proxied(server) as proxy:
        bus = kind(Server(proxy.url, timeout_s=0.3), PARTITIONS)
        await bus._server.call("FLUSHALL")
        await bus.append(PLACE, [frame(1)])
        await bus.subscribe("pager", [PLACE])
        (first,) = await bus.fetch("pager", "one", [PLACE], count=10)
        passing = [Fate.PASS] * (number - 1)
        dying = once(Fate.SWALLOW, b"")
        proxy.plan = lambda request: passing.pop() if passing else dying(request)
        with suppress(Unavailable):
            await bus.settle("pager", PLACE, first.entry, [("receipts", frame(11))])
        proxy.plan = always
        for again in await bus.unsettled("pager", "one", PLACE, count=10):
            await bus.settle("pager", PLACE, again.entry, [("receipts", frame(11))])
        found = await everything(bus, "receipts")
        await bus.close()
        assert found == [11], f"receipts: {found}"


@pytest.mark.parametrize("number", [1, 2])
async def test_entry_and_receipt_are_settled_together(server: LiveServer, number: int) -> None:
    await check(server, RedisBus, number)


@pytest.mark.parametrize(("kind", "says"), [(AckFirst, r"receipts: \[\]"), (ReceiptFirst, r"receipts: \[11, 11\]")])
async def test_two_commands_lose_or_double_the_receipt(server: LiveServer, kind: type[RedisBus], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        await check(server, kind, 2)
