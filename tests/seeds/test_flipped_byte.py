"""A byte flips on the disk under the server. Redis reads its append-only file without a checksum, and a temperature of
36.5 is one of 37.5 from then on.
"""

import struct
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.errors import CorruptEvent
from contracts.events import ReadingsAcquired, ReadingsEvent
from contracts.frames import Frame, decode, encode
from contracts.readings import Readings, Series
from tests.servers import LiveServer

PLACE = Place("readings.acquired", 0)
VALUE = 36.5
ONE = np.ones(1, np.int64)
READING = Readings.of([Series("plant", "m1", "t")], 0 * ONE, ONE, np.array([VALUE]), ONE)
kinds = pytest.mark.parametrize("kind", ["valkey", "redis"])
NewServer = Callable[[str], LiveServer]


def blind(fields: Mapping[bytes, bytes], count: int) -> Frame:
    """``Frame.parse`` without a look at the digest."""
    kind, _, version = fields[b"t"].decode().partition("/")
    return Frame(kind, int(version), count, fields[b"b"], fields[b"c"], fields[b"w"].decode(), fields[b"d"])


def flip(server: LiveServer) -> None:
    """Make 36.5 into 37.5 in the files of a stopped server: they are one bit apart."""
    (path,) = [path for path in server.socket.parent.glob("appendonlydir/*.incr.aof") if path.stat().st_size]
    data, value = path.read_bytes(), struct.pack("<d", VALUE)
    assert data.count(value) == 1
    path.write_bytes(data.replace(value, struct.pack("<d", VALUE + 1)))


async def found(server: LiveServer) -> list[float]:
    """The values in the log; an entry that does not hold what was written has none."""
    bus = RedisBus(Server(server.url), 1)
    (entry,) = await bus.range(PLACE, 1, 1, count=10)
    await bus.close()
    try:
        (event,) = decode(entry.frame(), entry.last)
    except CorruptEvent:
        return []
    assert isinstance(event, ReadingsEvent)
    return [float(value) for value in event.readings.value]


async def check(server: LiveServer) -> None:
    bus = RedisBus(Server(server.url), 1)
    await bus.append(PLACE, list(encode([ReadingsAcquired(READING)], "w")))
    await bus.close()
    assert await found(server) == [VALUE]
    server.stop()
    flip(server)
    server.start()
    assert await found(server) == [], "a value that nobody measured"


@kinds
async def test_flipped_byte_is_noticed(new_server: NewServer, kind: str) -> None:
    await check(new_server(kind))


@kinds
async def test_without_the_digest_it_is_a_value(
    new_server: NewServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Frame, "parse", staticmethod(blind))
    with pytest.raises(AssertionError, match="a value that nobody measured"):
        await check(new_server(kind))
