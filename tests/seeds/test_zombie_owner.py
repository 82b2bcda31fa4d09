"""A process is paused between reading and writing (a virtual machine is moved, a disk hangs), its lease runs out, and
another takes over. Then it wakes, believes that it is still the owner, and writes what it had worked out long ago.
"""

from contextlib import suppress

import pytest

from bus.redis.bus import RedisBus
from contracts.errors import CommitRefused
from tests.integration.bus.frames import TASK, everything, step
from tests.seeds.mutants import Mutation, ours, without

#: The position is compared, the token is not: that the new owner has not committed yet is enough for the old one.
POSITION_ONLY = without(
    "commit", "if seen[1] and tonumber(seen[1]) > tonumber(ARGV[2]) then return {'FENCED', seen[1]} end"
)


async def check(bus: RedisBus, mutate: Mutation) -> None:
    mutate(bus)
    old = await bus.acquire(0, TASK, "old", seen=None)
    assert old is not None
    await bus.commit(step(old, "", "1", 1))
    asleep = step(old, "1", "2", 666)
    new = await bus.acquire(0, TASK, "new", seen=await bus.sign(0, TASK))
    assert new is not None
    assert await bus.fence(0, TASK, new) == "1"
    with suppress(CommitRefused):
        await bus.commit(asleep)
    with suppress(CommitRefused):
        await bus.commit(step(new, "1", "2", 2))
    assert await everything(bus) == [1, 2], "the former owner wrote"


async def test_owner_that_slept_past_its_lease_writes_nothing(redis_bus: RedisBus) -> None:
    await check(redis_bus, ours)


async def test_without_the_token_the_former_owner_writes(redis_bus: RedisBus) -> None:
    with pytest.raises(AssertionError, match="the former owner wrote"):
        await check(redis_bus, POSITION_ONLY)
