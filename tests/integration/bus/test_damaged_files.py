"""The server's file after a power cut: cut anywhere it still fits together; with zeros in it it is refused."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bus.embedded import EmbeddedServer
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.errors import Unavailable
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import STREAM, TASK, everything, step
from tests.servers import LiveServer, kill

COMMITS = 30
CUTS = 6


async def written(server: LiveServer) -> Path:
    """The file of a server that was killed after some commits."""
    bus = RedisBus(Server(server.url), PARTITIONS)
    for number in range(1, COMMITS + 1):
        await bus.commit(step(1, str(number - 1) if number > 1 else "", str(number), number))
    await bus.persist()
    await bus.close()
    kill(server)
    assert isinstance(server, EmbeddedServer)
    return next((server.folder / "appendonlydir").glob("*.incr.aof"))


async def test_log_that_is_cut_anywhere_has_the_position_that_fits_its_events(
    new_server: Callable[[str], LiveServer],
) -> None:
    server = new_server("valkey")
    file = await written(server)
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    whole, left = file.read_bytes(), set()
    for _ in range(CUTS):
        file.write_bytes(whole[: chance.randint(len(whole) // 4, len(whole) - 1)])
        server.start()
        bus = RedisBus(Server(server.url), PARTITIONS)
        position = int(await bus.position(0, TASK) or 0)
        assert await everything(bus) == list(range(1, position + 1)), f"seed {seed}"
        assert (await bus.ends([Place(STREAM, 0)]))[Place(STREAM, 0)] == position, f"seed {seed}"
        # The work goes on from there.
        await bus.commit(step(1, str(position or ""), str(position + 1), position + 1))
        left.add(position)
        await bus.close()
        kill(server)
    assert min(left) < COMMITS, f"nothing was cut, seed {seed}"
    server.start()


async def test_zeros_in_the_file_are_refused_with_the_servers_own_words(
    new_server: Callable[[str], LiveServer],
) -> None:
    server = new_server("valkey")
    file = await written(server)
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(4096) + whole[middle:])
    with pytest.raises(Unavailable, match=r"did not start: .*(?i:aof|format|corrupt)"):
        server.start()
    file.write_bytes(whole)
    server.start()
    bus = RedisBus(Server(server.url), PARTITIONS)
    assert await everything(bus) == list(range(1, COMMITS + 1))
    await bus.close()
