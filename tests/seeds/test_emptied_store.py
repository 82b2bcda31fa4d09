"""Redis comes up empty: its append-only file was lost, ``appendonly`` was off, or somebody ran FLUSHALL. The service
connects, finds nothing to do, makes its groups anew and begins a second history under the old names.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bus.redis.bus import RedisBus
from bus.redis.opening import open_bus
from bus.redis.server import Server
from contracts.errors import StoreLost
from contracts.settings import BusSettings, Settings
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import TASK, everything, step
from tests.servers import LiveServer

Open = Callable[[LiveServer, Path], Awaitable[RedisBus]]


async def by_identity(server: LiveServer, store_file: Path) -> RedisBus:
    return await open_bus(Settings(bus=BusSettings(partitions=PARTITIONS)), server.url, store_file=store_file)


async def by_ping(server: LiveServer, store_file: Path) -> RedisBus:
    """It answers, so it is the one."""
    bus = RedisBus(Server(server.url), PARTITIONS)
    await bus._server.call("PING")
    return bus


async def worked(server: LiveServer, opened: Open, store_file: Path, value: int) -> None:
    """One life of an agent: open, go on where the log says, write one number."""
    bus = await opened(server, store_file)
    position = await bus.position(0, TASK)
    await bus.commit(step(1, position, str(int(position or 0) + 1), value))
    await bus.close()


async def check(server: LiveServer, opened: Open, store_file: Path) -> None:
    await worked(server, opened, store_file, 1)
    await worked(server, opened, store_file, 2)
    raw = RedisBus(Server(server.url), PARTITIONS)
    assert await everything(raw) == [1, 2]
    await raw._server.call("FLUSHALL")
    with suppress(StoreLost):
        await worked(server, opened, store_file, 3)
    found = await everything(raw)
    await raw.close()
    assert found == [], "a second history"


async def test_emptied_server_is_not_written_to(server: LiveServer, redis_bus: RedisBus, tmp_path: Path) -> None:
    await check(server, by_identity, tmp_path / "store-id")


async def test_server_that_answers_is_usually_enough(server: LiveServer, redis_bus: RedisBus, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="a second history"):
        await check(server, by_ping, tmp_path / "store-id")
