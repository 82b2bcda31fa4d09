"""Streams for programs of others: each key once, numbered without holes, trimmed."""

import pytest

from bus import keys
from bus.feeds import REMEMBERED
from bus.memory import MemoryBus
from bus.protocol import Bus
from bus.redis.bus import RedisBus
from contracts.errors import Unavailable


async def stored(bus: Bus, name: str) -> list[tuple[int, str]]:
    """Number and text of all entries of a feed."""
    if isinstance(bus, MemoryBus):
        entries = bus._feeds[name].entries if name in bus._feeds else {}
        return [(number, str(fields["data"])) for number, fields in entries.items()]
    assert isinstance(bus, RedisBus)
    rows = await bus._server.call("XRANGE", keys.feed(name), "-", "+")
    return [(int(number.split(b"-")[0]), fields[1].decode()) for number, fields in rows]


async def put(bus: Bus, name: str, *texts: str, most: int = 1_000_000) -> list[bool]:
    return [await bus.feed(name, text, {"data": text}, most=most) for text in texts]


async def test_entries_are_numbered_and_each_key_is_put_in_once(bus: Bus) -> None:
    assert await put(bus, "a", "one", "two", "one", "three", "two") == [True, True, False, True, False]
    assert await stored(bus, "a") == [(1, "one"), (2, "two"), (3, "three")]


async def test_each_name_has_its_own_stream_and_keys(bus: Bus) -> None:
    await put(bus, "a", "one")
    assert await put(bus, "b", "zero", "one") == [True, True]
    assert await stored(bus, "a") == [(1, "one")]
    assert await stored(bus, "b") == [(1, "zero"), (2, "one")]


async def test_old_entries_go_and_their_keys_are_still_known(bus: Bus) -> None:
    texts = [str(number) for number in range(1, 1_001)]
    await put(bus, "a", *texts, most=100)
    kept = await stored(bus, "a")
    assert 100 <= len(kept) < 400
    assert kept[-1] == (1_000, "1000")
    assert await put(bus, "a", "1") == [False]


async def test_keys_are_forgotten_after_ten_thousand_others(redis_bus: RedisBus) -> None:
    name = keys.fed("a")
    await put(redis_bus, "a", "first", "second")
    # As if so many had been put in since: they would take seconds.
    flat = [part for number in range(3, REMEMBERED + 1) for part in (number, f"k{number}")]
    await redis_bus._server.call("ZADD", name, *flat)
    await redis_bus._server.call("XADD", keys.feed("a"), f"{REMEMBERED}-0", "data", "last")
    assert await redis_bus._server.call("ZCARD", name) == REMEMBERED
    assert await put(redis_bus, "a", "first", "next") == [False, True]
    assert await redis_bus._server.call("ZCARD", name) == REMEMBERED
    assert await put(redis_bus, "a", "second", "first") == [False, True]


async def test_a_stream_that_was_deleted_begins_anew(redis_bus: RedisBus) -> None:
    await put(redis_bus, "a", "one", "two")
    await redis_bus._server.call("DEL", keys.feed("a"))
    assert await put(redis_bus, "a", "one", "one", "two") == [True, False, True]
    assert await stored(redis_bus, "a") == [(1, "one"), (2, "two")]


async def test_numbers_go_on_when_all_entries_or_the_keys_are_gone(redis_bus: RedisBus) -> None:
    await put(redis_bus, "a", "one", "two")
    await redis_bus._server.call("XTRIM", keys.feed("a"), "MAXLEN", 0)
    await redis_bus._server.call("DEL", keys.fed("a"))
    await put(redis_bus, "a", "three")
    assert await stored(redis_bus, "a") == [(3, "three")]


async def test_nothing_is_written_without_memory(redis_bus: RedisBus) -> None:
    await put(redis_bus, "a", "one")
    await redis_bus._server.call("DEL", keys.feed("a"))
    _, before = await redis_bus._server.call("CONFIG", "GET", "maxmemory")
    await redis_bus._server.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(Unavailable, match="maxmemory"):
            await put(redis_bus, "a", "two")
    finally:
        await redis_bus._server.call("CONFIG", "SET", "maxmemory", before)
    assert await redis_bus._server.call("ZCARD", keys.fed("a")) == 1
    assert await stored(redis_bus, "a") == []
    assert await put(redis_bus, "a", "two") == [True]
