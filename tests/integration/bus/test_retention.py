"""Retention: what a reader needs stays, whoever the reader is; all else goes."""

from pathlib import Path

import pytest

from bus import keys
from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Bus, Commit, Place, Snapshot
from bus.redis.bus import RedisBus
from bus.redis.log import entry_id
from contracts.errors import Fenced, PositionMoved, Unavailable
from tests.integration.bus.frames import STREAM, everything, frame, numbers

PLACE = Place(STREAM, 0)
READER = f"reader<{STREAM}"


async def fill(bus: Bus) -> None:
    """Ten events in five entries of two."""
    await bus.append(PLACE, [frame(value, value + 1) for value in range(1, 11, 2)])


async def read_to(bus: Bus, position: int, task: str = READER) -> None:
    await bus.commit(Commit(0, task, 1, await bus.position(0, task), str(position)))


async def test_what_nobody_reads_goes_in_whole_entries(bus: Bus) -> None:
    await fill(bus)
    assert await bus.trim(PLACE, 5) == 4
    assert await everything(bus) == [5, 6, 7, 8, 9, 10]
    assert await bus.starts([PLACE, Place(STREAM, 1)]) == {PLACE: 5, Place(STREAM, 1): 1}


async def test_an_emptied_stream_goes_on_where_it_was(bus: Bus) -> None:
    await fill(bus)
    assert await bus.trim(PLACE, 99) == 10
    assert (await bus.ends([PLACE]), await bus.starts([PLACE])) == ({PLACE: 10}, {PLACE: 11})
    assert await bus.append(PLACE, [frame(11)]) == 11
    assert (await bus.starts([PLACE]), await everything(bus)) == ({PLACE: 11}, [11])


async def test_what_takes_memory_is_weighed_where_the_server_can_tell(bus: Bus) -> None:
    await fill(bus)
    found = await bus.weights([PLACE, Place(STREAM, 1)])
    assert found == {} or (found[PLACE] > 0 and found[Place(STREAM, 1)] == 0)
    assert (found == {}) == isinstance(bus, MemoryBus)


async def test_trimming_other_places_or_nothing_changes_nothing(bus: Bus) -> None:
    await fill(bus)
    assert await bus.trim(Place(STREAM, 1), 99) == 0
    assert await bus.trim(PLACE, 0) == 0
    assert len(await everything(bus)) == 10


async def test_a_task_keeps_what_it_has_not_read(bus: Bus) -> None:
    await fill(bus)
    await read_to(bus, 6)
    assert await bus.trim(PLACE, 99) == 6
    assert await bus.readers(PLACE) == {READER: 6}


async def test_a_task_that_has_not_begun_keeps_everything(bus: Bus) -> None:
    await fill(bus)
    await bus.fence(0, READER, 1)
    assert await bus.trim(PLACE, 99) == 0


async def test_readers_of_other_streams_and_sources_keep_nothing(bus: Bus) -> None:
    await fill(bus)
    await bus.fence(0, "reader<letters", 1)
    await bus.fence(0, f"more{STREAM}", 1)
    await bus.fence(0, f"source:{STREAM}", 1)
    await bus.fence(1, READER, 1)
    assert await bus.readers(PLACE) == {}
    assert await bus.trim(PLACE, 99) == 10


async def test_a_task_keeps_what_follows_its_older_snapshot(bus: Bus) -> None:
    await fill(bus)
    await read_to(bus, 10)
    await bus.save(0, READER, 1, Snapshot("4", b"old"))
    await bus.save(0, READER, 1, Snapshot("8", b"new"))
    assert await bus.trim(PLACE, 99) == 4
    await bus.save(0, READER, 1, Snapshot("10", b"newer"))
    assert await bus.trim(PLACE, 99) == 8


async def test_a_task_keeps_its_outputs_behind_its_older_snapshot(bus: Bus) -> None:
    await fill(bus)
    await bus.fence(0, "writer<letters", 1)
    await bus.save(0, "writer<letters", 1, Snapshot("1", b"old", {STREAM: 2, "other": 1}))
    await bus.save(0, "writer<letters", 1, Snapshot("2", b"new", {STREAM: 8}))
    assert await bus.readers(PLACE) == {"writer<letters": 2}
    assert await bus.trim(PLACE, 99) == 2


async def test_a_group_keeps_what_it_was_not_given(bus: Bus) -> None:
    await fill(bus)
    await bus.subscribe("sink", [PLACE])
    assert await bus.trim(PLACE, 99) == 0
    for delivery in await bus.fetch("sink", "me", [PLACE], count=2):
        await bus.settle("sink", PLACE, delivery.entry)
    assert await bus.readers(PLACE) == {"group sink": 4}
    assert await bus.trim(PLACE, 99) == 4


async def test_a_group_keeps_what_is_pending(bus: Bus) -> None:
    await fill(bus)
    await bus.subscribe("sink", [PLACE])
    found = await bus.fetch("sink", "me", [PLACE], count=5)
    for delivery in (found[0], found[2], found[4]):
        await bus.settle("sink", PLACE, delivery.entry)
    assert await bus.trim(PLACE, 99) == 2
    assert [numbers([delivery.entry]) for delivery in await bus.unsettled("sink", "me", PLACE, count=9)] == [
        [3, 4],
        [7, 8],
    ]


async def test_a_retired_task_keeps_nothing(bus: Bus) -> None:
    await fill(bus)
    await read_to(bus, 2)
    await bus.save(0, READER, 1, Snapshot("2", b"state"))
    assert await bus.retire(0, READER)
    assert not await bus.retire(0, READER)
    assert (await bus.position(0, READER), await bus.snapshots(0, READER)) == ("", [])
    assert await bus.trim(PLACE, 99) == 10


async def test_a_retired_group_keeps_nothing(bus: Bus) -> None:
    await fill(bus)
    await bus.subscribe("sink", [PLACE])
    (delivery,) = await bus.fetch("sink", "me", [PLACE], count=1)
    await bus.settle("sink", PLACE, delivery.entry)
    assert await bus.retire(0, "group sink")
    assert not await bus.retire(0, "group sink")
    assert await bus.trim(PLACE, 99) == 10


async def test_advance_moves_a_position_as_a_commit_does(bus: Bus) -> None:
    await bus.advance(Commit(0, READER, 2, "", "4"))
    await bus.advance(Commit(0, READER, 2, "", "4"))
    assert await bus.position(0, READER) == "4"
    with pytest.raises(PositionMoved):
        await bus.advance(Commit(0, READER, 2, "", "6"))
    with pytest.raises(Fenced):
        await bus.advance(Commit(0, READER, 1, "4", "6"))


# ---------------------------------------------------------------- what only a server has


async def test_a_foreign_group_keeps_what_it_has_not_read(redis_bus: RedisBus) -> None:
    await fill(redis_bus)
    call = redis_bus._server.call
    await call("XGROUP", "CREATE", keys.stream(PLACE), "somebody", "0")
    assert await redis_bus.trim(PLACE, 99) == 0
    await call("XREADGROUP", "GROUP", "somebody", "x", "COUNT", 3, "STREAMS", keys.stream(PLACE), ">")
    assert await redis_bus.trim(PLACE, 99) == 0, "given, and not acknowledged"
    await call("XACK", keys.stream(PLACE), "somebody", "2-2", "4-2")
    assert await redis_bus.trim(PLACE, 99) == 4
    await call("XGROUP", "SETID", keys.stream(PLACE), "somebody", "18446744073709551615-18446744073709551615")
    await call("XACK", keys.stream(PLACE), "somebody", "6-2")
    assert await redis_bus.trim(PLACE, 99) == 10


async def test_a_lost_group_keeps_what_it_had_not_settled(redis_bus: RedisBus) -> None:
    await fill(redis_bus)
    await redis_bus.subscribe("sink", [PLACE])
    first, _, third = await redis_bus.fetch("sink", "me", [PLACE], count=3)
    await redis_bus.settle("sink", PLACE, first.entry)
    await redis_bus.settle("sink", PLACE, third.entry)
    await redis_bus._server.call("XGROUP", "DESTROY", keys.stream(PLACE), "sink")
    assert await redis_bus.trim(PLACE, 99) == 2


@pytest.mark.parametrize("ends", [b"{", b"7", b""])
async def test_a_damaged_snapshot_keeps_everything(redis_bus: RedisBus, ends: bytes) -> None:
    await fill(redis_bus)
    await redis_bus.fence(0, "writer<letters", 1)
    await redis_bus.save(0, "writer<letters", 1, Snapshot("1", b"state", {STREAM: 8}))
    await redis_bus._server.call("HSET", keys.snapshot(0, "writer<letters"), "ends", ends)
    assert await redis_bus.trim(PLACE, 99) == 0


async def test_room_is_made_when_there_is_no_memory_left(redis_bus: RedisBus) -> None:
    await fill(redis_bus)
    await read_to(redis_bus, 2)
    call = redis_bus._server.call
    before = (await call("CONFIG", "GET", "maxmemory"))[1]
    await call("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="maxmemory"):
            await read_to(redis_bus, 4)
        await redis_bus.advance(Commit(0, READER, 1, "2", "8"))
        assert await redis_bus.trim(PLACE, 99) == 8
    finally:
        await call("CONFIG", "SET", "maxmemory", before)


async def test_what_somebody_deleted_in_the_middle_is_read_from_the_archive(
    redis_bus: RedisBus, tmp_path: Path
) -> None:
    await fill(redis_bus)
    whole = await redis_bus.range(PLACE, 1, 10, count=99)
    history = History(Archive(tmp_path, "log", redis_bus.partitions), redis_bus)
    assert history.archive is not None
    await history.archive.add(PLACE, whole[:4])
    for entry in (whole[1], whole[2], whole[4]):
        await redis_bus._server.call("XDEL", keys.stream(PLACE), entry_id(entry))
    assert await history.range(PLACE, 1, 10, count=99) == whole[:4], "the last one was in no archive yet"
