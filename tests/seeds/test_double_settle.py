"""A slow consumer finishes what another has claimed from it and finished already: both acknowledge, and both write a
receipt. XACK of an entry that is no longer pending says 0 and nothing else, so nobody notices the second receipt.
"""

import anyio
import pytest

from bus.protocol import Place
from bus.redis.bus import RedisBus
from tests.integration.bus.frames import STREAM, everything, frame
from tests.seeds.mutants import Mutation, ours, without

PLACE = Place(STREAM, 0)
#: Acknowledges and writes the receipt without a look whether the entry is still pending.
UNASKED = without("settle", "if #redis.call('XPENDING', KEYS[1], group, id, id, 1) == 0 then return 0 end")


async def check(bus: RedisBus, mutate: Mutation) -> None:
    mutate(bus)
    await bus.append(PLACE, [frame(1), frame(2)])
    await bus.subscribe("pager", [PLACE])
    slow, _ = await bus.fetch("pager", "slow", [PLACE], count=10)
    await anyio.sleep(0.03)
    (claimed,) = await bus.claim("pager", "quick", PLACE, idle_s=0.02, count=1)
    assert claimed.entry == slow.entry
    assert await bus.settle("pager", PLACE, claimed.entry, [("receipts", frame(11))])
    again = await bus.settle("pager", PLACE, slow.entry, [("receipts", frame(11))])
    assert await everything(bus, "receipts") == [11], "two receipts"
    assert not again


async def test_entry_has_one_receipt_however_many_finish_it(redis_bus: RedisBus) -> None:
    await check(redis_bus, ours)


async def test_without_the_look_at_what_is_pending_there_are_two(redis_bus: RedisBus) -> None:
    with pytest.raises(AssertionError, match="two receipts"):
        await check(redis_bus, UNASKED)
