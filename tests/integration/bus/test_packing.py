"""Commands packed by hiredis reach the server as they are."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio as aioredis

from bus.redis.packing import _Packing
from bus.redis.server import Argument, Server
from tests.servers import LiveServer


@pytest.fixture
async def wire(server: LiveServer) -> AsyncIterator[Server]:
    found = Server(server.url)
    yield found
    await found.close()


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("", b""), ("text", b"text"), ("ä€😀", "ä€😀".encode()), ("two words", b"two words"),
        ("a\r\n$3\r\n", b"a\r\n$3\r\n"),
        (b"", b""), (b"\x00\xff\r\n", b"\x00\xff\r\n"), (0, b"0"), (-(2**63), b"-9223372036854775808"), (0.1, b"0.1"),
        ("x" * 1_000_000, b"x" * 1_000_000),
    ],
)  # fmt: skip
async def test_every_kind_of_argument_arrives(wire: Server, said: Argument, heard: bytes) -> None:
    assert await wire.call("ECHO", said) == heard
    assert await wire.wait("ECHO", said) == heard
    assert await wire.many([("ECHO", said), ("ECHO", said)]) == [heard, heard]


async def test_command_of_two_words_in_one_arrives(wire: Server) -> None:
    assert await wire.call("CLIENT GETNAME") is None
    assert await wire.call("CLIENT", "GETNAME") is None


async def test_what_cannot_be_packed_is_refused_and_the_connection_still_serves(wire: Server) -> None:
    with pytest.raises((TypeError, aioredis.DataError)):
        await wire.call("ECHO", None)  # type: ignore[arg-type] # the point
    assert await wire.call("ECHO", "next") == b"next"


async def test_connections_are_ours(wire: Server) -> None:
    await wire.call("PING")
    await wire.wait("PING")
    for client in (wire._commands, wire._waiting):
        assert issubclass(client.connection_pool.connection_class, _Packing)
