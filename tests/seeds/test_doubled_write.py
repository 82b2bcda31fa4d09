"""The server carries out an XADD, the line dies before its answer, and the client library sends the command again as
it does by default. The stream holds the event twice, and no exception was ever seen.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as aioredis

from bus import keys
from bus.protocol import Place
from bus.redis.bus import RedisBus
from contracts.errors import Unavailable
from tests.integration.bus.frames import STREAM, frame, step
from tests.seeds.mutants import once, through
from tests.servers import Fate, LiveServer

NAME = keys.stream(Place(STREAM, 0))
#: Writes one event, however often it has to try.
Write = Callable[[RedisBus, Path], Awaitable[None]]


async def by_commit(bus: RedisBus, socket: Path) -> None:
    for _ in range(5):
        try:
            return await bus.commit(step(1, "", "1", 1))
        except Unavailable:
            continue
    raise TimeoutError


async def by_library(bus: RedisBus, socket: Path) -> None:
    """What the documentation of redis-py shows, at its default settings."""
    async with aioredis.Redis(unix_socket_path=str(socket)) as client:
        fields: dict[Any, Any] = {**frame(1).fields()}
        await client.xadd(NAME, fields)


async def check(server: LiveServer, write: Write, word: bytes) -> None:
    async with through(server) as (bus, proxy):
        proxy.plan = once(Fate.LOSE_REPLY, word)
        await write(bus, proxy.socket)
        assert await bus._server.call("XLEN", NAME) == 1, "written twice"


async def test_commit_that_is_tried_again_is_there_once(server: LiveServer) -> None:
    await check(server, by_commit, b"EVALSHA")


async def test_command_that_the_library_tries_again_is_there_twice(server: LiveServer) -> None:
    with pytest.raises(AssertionError, match="written twice"):
        await check(server, by_library, b"XADD")
