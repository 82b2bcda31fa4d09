"""Ownership: who should work, told by leases without anybody's wall clock."""

import pytest

from bus.protocol import Bus, Commit, Snapshot
from bus.redis.bus import RedisBus
from contracts.errors import Unavailable

TASK = "counter"


async def taken(bus: Bus, owner: str, partition: int = 0) -> int:
    token = await bus.acquire(partition, TASK, owner, seen=None)
    assert token is not None
    return token


async def test_free_lease_is_taken(bus: Bus) -> None:
    assert await bus.sign(0, TASK) == ""
    token = await taken(bus, "one")
    assert token == 1
    assert await bus.sign(0, TASK) == "one 1 0"


async def test_held_lease_is_not_given_to_another(bus: Bus) -> None:
    await taken(bus, "one")
    assert await bus.acquire(0, TASK, "two", seen=None) is None
    assert await bus.acquire(0, TASK, "two", seen="") is None
    assert await bus.sign(0, TASK) == "one 1 0"


async def test_own_lease_of_an_earlier_life_is_taken_with_a_larger_token(bus: Bus) -> None:
    first = await taken(bus, "one")
    assert await taken(bus, "one") > first
    assert not await bus.renew(0, TASK, "one", first)


async def test_silent_lease_is_taken_over_by_its_last_sign(bus: Bus) -> None:
    first = await taken(bus, "one")
    second = await bus.acquire(0, TASK, "two", seen=await bus.sign(0, TASK))
    assert second is not None
    assert second > first
    assert not await bus.renew(0, TASK, "one", first)
    assert (await bus.sign(0, TASK)).startswith("two ")


async def test_lease_renewed_since_the_sighting_is_not_taken_over(bus: Bus) -> None:
    first = await taken(bus, "one")
    seen = await bus.sign(0, TASK)
    assert await bus.renew(0, TASK, "one", first)
    assert await bus.acquire(0, TASK, "two", seen=seen) is None


async def test_every_renewal_changes_the_sign(bus: Bus) -> None:
    token = await taken(bus, "one")
    signs = {await bus.sign(0, TASK)}
    for _ in range(12):
        assert await bus.renew(0, TASK, "one", token)
        signs.add(await bus.sign(0, TASK))
    assert len(signs) == 13


async def test_renew_needs_owner_and_token(bus: Bus) -> None:
    token = await taken(bus, "one")
    sign = await bus.sign(0, TASK)
    assert not await bus.renew(0, TASK, "two", token)
    assert not await bus.renew(0, TASK, "one", token + 1)
    assert not await bus.renew(1, TASK, "one", token)
    assert await bus.sign(0, TASK) == sign


async def test_released_lease_is_free_at_once(bus: Bus) -> None:
    token = await taken(bus, "one")
    await bus.release(0, TASK, "one", token)
    assert await bus.sign(0, TASK) == ""
    assert await taken(bus, "two") > token


async def test_release_of_a_lost_lease_changes_nothing(bus: Bus) -> None:
    first = await taken(bus, "one")
    await bus.acquire(0, TASK, "two", seen=await bus.sign(0, TASK))
    sign = await bus.sign(0, TASK)
    await bus.release(0, TASK, "one", first)
    await bus.release(0, TASK, "two", first)
    assert await bus.sign(0, TASK) == sign


async def test_two_standbys_with_one_sighting_get_one_lease(bus: Bus) -> None:
    await taken(bus, "one")
    seen = await bus.sign(0, TASK)
    tokens = [await bus.acquire(0, TASK, owner, seen=seen) for owner in ("two", "three")]
    assert tokens[0] is not None
    assert tokens[1] is None


async def test_members_are_listed_with_their_last_beat(bus: Bus) -> None:
    assert await bus.members(TASK, "one", 1) == {"one": "1"}
    assert await bus.members(TASK, "two", 7) == {"one": "1", "two": "7"}
    assert await bus.members(TASK, "one", 2) == {"one": "2", "two": "7"}
    assert await bus.members(TASK, "two", None) == {"one": "2"}
    assert await bus.members("another", "three", 1) == {"three": "1"}


async def test_owners_keep_what_they_own_when_the_server_has_no_memory_left(redis_bus: RedisBus) -> None:
    """Whoever makes room must own the partition to do it; so must a process that starts just then."""
    token = await taken(redis_bus, "one")
    await redis_bus._server.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(Unavailable, match="maxmemory"):
            await redis_bus.commit(Commit(0, TASK, token, "", "1"))
        assert await redis_bus.renew(0, TASK, "one", token)
        assert await redis_bus.members(TASK, "two", 1) == {"two": "1"}
        second = await redis_bus.acquire(0, TASK, "two", seen=await redis_bus.sign(0, TASK))
        assert second == token + 1
        assert await redis_bus.fence(0, TASK, second) == ""
        await redis_bus.begin(0, TASK, second, "a life")
        for position in ("0", "1"):
            await redis_bus.save(0, TASK, second, Snapshot(position, b"state"))
        await redis_bus.advance(Commit(0, TASK, second, "", "1"))
    finally:
        await redis_bus._server.call("CONFIG", "SET", "maxmemory", "512mb")
    assert await redis_bus.position(0, TASK) == "1"
    assert await redis_bus.members(TASK, "two", None) == {}
