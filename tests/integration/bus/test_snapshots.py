"""Snapshots: the last two, whole, and only of the owner."""

import pytest

from bus import keys
from bus.protocol import Bus, Snapshot
from bus.redis.bus import RedisBus
from contracts.errors import Fenced

TASK = "counter"


async def test_no_snapshot_at_first(bus: Bus) -> None:
    assert await bus.snapshots(0, TASK) == []


async def test_last_two_are_kept_newest_first(bus: Bus) -> None:
    saved = [Snapshot(str(i), bytes([i, 0, 255, 10]), {"numbers": i}, f"maker {i}") for i in range(1, 4)]
    for snapshot in saved:
        await bus.save(0, TASK, 1, snapshot)
    assert await bus.snapshots(0, TASK) == [saved[2], saved[1]]
    assert await bus.snapshots(1, TASK) == []
    assert await bus.snapshots(0, "other") == []


async def test_former_owner_cannot_save(bus: Bus) -> None:
    await bus.save(0, TASK, 1, Snapshot("1", b"good"))
    await bus.fence(0, TASK, 2)
    with pytest.raises(Fenced):
        await bus.save(0, TASK, 1, Snapshot("2", b"bad"))
    assert [snapshot.data for snapshot in await bus.snapshots(0, TASK)] == [b"good"]


DAMAGE = {
    "data": b"stale",
    "position": b"9",
    "ends": b'{"numbers": 9}',
    "maker": b"another",
    "digest": b"0" * 16,
    "position not text": b"\xff\xfe",
    "ends not JSON": b"{",
}


@pytest.mark.parametrize("field", DAMAGE)
async def test_damaged_snapshot_is_skipped_for_the_one_before(redis_bus: RedisBus, field: str) -> None:
    await redis_bus.save(0, TASK, 1, Snapshot("1", b"first", {"numbers": 1}))
    await redis_bus.save(0, TASK, 1, Snapshot("2", b"later", {"numbers": 2}))
    await redis_bus._server.call("HSET", keys.snapshot(0, TASK), field.partition(" ")[0], DAMAGE[field])
    assert [snapshot.data for snapshot in await redis_bus.snapshots(0, TASK)] == [b"first"]


@pytest.mark.parametrize("field", ["data", "position", "ends", "maker", "digest"])
async def test_snapshot_with_a_missing_field_is_skipped(redis_bus: RedisBus, field: str) -> None:
    await redis_bus.save(0, TASK, 1, Snapshot("1", b"first"))
    await redis_bus.save(0, TASK, 1, Snapshot("2", b"later"))
    await redis_bus._server.call("HDEL", keys.snapshot(0, TASK), field)
    assert [snapshot.data for snapshot in await redis_bus.snapshots(0, TASK)] == [b"first"]
