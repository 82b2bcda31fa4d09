"""What only a real server can do to us: flipped bytes, deleted entries, strangers, full memory, restarts."""

from collections.abc import Callable

import anyio
import pytest

from bus import keys
from bus.protocol import Commit, Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server, ServerRefused
from contracts.errors import CorruptEvent, Unavailable
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import STREAM, TASK, everything, frame, numbers, step
from tests.servers import LiveServer, kill

PLACE = Place(STREAM, 0)
KEY = keys.stream(PLACE)


async def test_a_flipped_byte_in_the_store_is_noticed(redis_bus: RedisBus) -> None:
    fields = frame(1).fields()
    fields[b"b"] = fields[b"b"].replace(b'"time":1', b'"time":3')
    await redis_bus._server.call("XADD", KEY, "1-1", *(item for pair in fields.items() for item in pair))
    (entry,) = await redis_bus.range(PLACE, 1, 1, count=10)
    with pytest.raises(CorruptEvent, match="not the ones that were written"):
        entry.frame()


async def test_entry_with_other_fields_is_corrupt(redis_bus: RedisBus) -> None:
    await redis_bus._server.call("XADD", KEY, "1-1", "hello", "world")
    (entry,) = await redis_bus.range(PLACE, 1, 1, count=10)
    with pytest.raises(CorruptEvent, match="not a frame"):
        entry.frame()


async def test_entry_of_another_program_is_refused(redis_bus: RedisBus) -> None:
    await redis_bus._server.call("XADD", KEY, "5-0", "hello", "world")
    with pytest.raises(Unavailable, match="written by another program"):
        await redis_bus.read({PLACE: 0}, count=10)


async def test_entry_deleted_while_pending_reads_as_corrupt(redis_bus: RedisBus) -> None:
    await redis_bus.subscribe("pager", [PLACE])
    await redis_bus.append(PLACE, [frame(1), frame(2)])
    await redis_bus.fetch("pager", "one", [PLACE], count=10)
    await redis_bus._server.call("XDEL", KEY, "1-1")
    gone, kept = await redis_bus.unsettled("pager", "one", PLACE, count=10)
    with pytest.raises(CorruptEvent, match="entry 1-1 was deleted before it was read"):
        gone.entry.frame()
    assert numbers([kept.entry]) == [2]


async def test_a_deleted_entry_leaves_a_hole_that_shows(redis_bus: RedisBus) -> None:
    await redis_bus.append(PLACE, [frame(1), frame(2), frame(3)])
    await redis_bus._server.call("XDEL", KEY, "2-1")
    entries = (await redis_bus.read({PLACE: 0}, count=10))[PLACE]
    assert [entry.first for entry in entries] == [1, 3]
    await redis_bus.append(PLACE, [frame(4)])
    assert (await redis_bus.ends([PLACE]))[PLACE] == 4, "the ordinal of a deleted entry is not given again"


async def test_commit_without_memory_left_changes_nothing(redis_bus: RedisBus) -> None:
    await redis_bus.commit(step(1, "", "1", 1))
    await redis_bus._server.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(Unavailable, match="reached maxmemory"):
            await redis_bus.commit(step(1, "1", "2", 2, 3))
    finally:
        await redis_bus._server.call("CONFIG", "SET", "maxmemory", "512mb")
    assert await everything(redis_bus) == [1]
    assert await redis_bus.position(0, TASK) == "1"
    await redis_bus.commit(step(1, "1", "2", 2, 3))
    assert await everything(redis_bus) == [1, 2, 3]


async def test_outputs_are_not_written_when_a_stream_cannot_be(redis_bus: RedisBus) -> None:
    """A stream that is ahead of the ledger (a hand at work): the commit says so, and the position stays."""
    await redis_bus._server.call("XADD", KEY, "9-1", "hello", "world")
    with pytest.raises(ServerRefused, match="equal or smaller"):
        await redis_bus.commit(step(1, "", "1", 1))
    assert await redis_bus.position(0, TASK) == ""


async def test_commit_of_a_key_of_another_kind_is_refused(redis_bus: RedisBus) -> None:
    await redis_bus._server.call("SET", keys.stream(Place("text", 0)), "x")
    with pytest.raises(ServerRefused, match="WRONGTYPE"):
        await redis_bus.commit(Commit(0, TASK, 1, "", "1", [("text", frame(1))]))
    assert await redis_bus.position(0, TASK) == ""


async def test_scripts_are_sent_again_after_the_server_forgot_them(redis_bus: RedisBus) -> None:
    await redis_bus.commit(step(1, "", "1", 1))
    await redis_bus._server.call("SCRIPT", "FLUSH")
    await redis_bus.commit(step(1, "1", "2", 2))
    assert await everything(redis_bus) == [1, 2]


async def test_large_ordinals_stay_exact(redis_bus: RedisBus) -> None:
    """Lua counts in doubles: exact up to 2**53, and never printed as 9e+15."""
    near = 2**53 - 3
    await redis_bus._server.call("HSET", keys.ledger(0), f"end:{STREAM}", near)
    await redis_bus.commit(step(1, "", "1", 1))
    await redis_bus.append(PLACE, [frame(2)])
    entries = await redis_bus.range(PLACE, near, near + 5, count=10)
    assert [entry.last for entry in entries] == [near + 1, near + 2]


async def test_keys_of_a_partition_share_a_slot(redis_bus: RedisBus) -> None:
    names = [keys.ledger(3), keys.stream(Place("x", 3)), keys.snapshot(3, "t"), keys.previous_snapshot(3, "t")]
    assert all("{3}" in name for name in names)
    assert len(set(names)) == 4


@pytest.mark.parametrize("kind", ["valkey", "redis"])
async def test_killed_server_keeps_what_was_committed(new_server: Callable[[str], LiveServer], kind: str) -> None:
    server = new_server(kind)
    bus = RedisBus(Server(server.url, timeout_s=2), PARTITIONS)
    for i in range(50):
        await bus.commit(step(1, str(i or ""), str(i + 1), i + 1))
    kill(server)
    with pytest.raises(Unavailable):
        await bus.commit(step(1, "50", "51", 51))
    server.start()
    with anyio.fail_after(20):
        while True:
            try:
                await bus.commit(step(1, "50", "51", 51))
                break
            except Unavailable:  # it loads its data
                await anyio.sleep(0.05)
    assert await everything(bus) == list(range(1, 52))
    assert await bus.position(0, TASK) == "51"
    await bus.close()


async def test_persist_waits_for_the_disk_of_a_server_that_can_tell(new_server: Callable[[str], LiveServer]) -> None:
    """With `everysec` that takes up to a second or two; a server that never writes through is said to be late."""
    live = new_server("valkey")
    operator = Server(live.url)
    bus = RedisBus(Server(live.url), 1)
    try:
        await bus.commit(step(1, "", "1", 1))
        await bus.persist()
        assert await operator.call("HGET", keys.PERSISTED, "asked") == b"1"
        await operator.call("CONFIG", "SET", "appendfsync", "no")
        with pytest.raises(Unavailable, match="reached the server's disk"):
            await bus.persist()
    finally:
        await bus.close()
        await operator.close()
