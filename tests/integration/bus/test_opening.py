"""Opening the bus: a server that would lose data is refused, and one that already did."""

from pathlib import Path

import pytest

from bus.redis.bus import RedisBus
from bus.redis.opening import open_bus
from contracts.errors import ConfigError, StoreLost, StoreRefused, Unavailable
from contracts.settings import BusSettings, Settings
from tests.conftest import PARTITIONS
from tests.servers import LiveServer

SETTINGS = Settings(bus=BusSettings(partitions=PARTITIONS))


async def opened(server: LiveServer, file: Path, settings: Settings = SETTINGS) -> None:
    await (await open_bus(settings, server.url, store_file=file)).close()


async def test_the_log_is_known_again(server: LiveServer, redis_bus: RedisBus, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "store"
    await opened(server, file)
    identity = file.read_text()
    await opened(server, file)
    assert file.read_text() == identity != ""


async def test_emptied_server_is_refused(server: LiveServer, redis_bus: RedisBus, tmp_path: Path) -> None:
    await opened(server, tmp_path / "store")
    await redis_bus._server.call("FLUSHALL")
    with pytest.raises(StoreLost, match=r"this Redis lost its data: .* found no log at all"):
        await opened(server, tmp_path / "store")
    assert await redis_bus._server.call("DBSIZE") == 0, "and no new log is begun in its place"


async def test_another_log_is_refused(server: LiveServer, redis_bus: RedisBus, tmp_path: Path) -> None:
    await opened(server, tmp_path / "store")
    await redis_bus._server.call("FLUSHALL")
    await opened(server, tmp_path / "other")
    with pytest.raises(StoreLost, match="found another log"):
        await opened(server, tmp_path / "store")


async def test_another_number_of_partitions_is_refused(server: LiveServer, redis_bus: RedisBus, tmp_path: Path) -> None:
    await opened(server, tmp_path / "store")
    with pytest.raises(ConfigError, match="made with 4 partitions, not 5"):
        await opened(server, tmp_path / "store", Settings(bus=BusSettings(partitions=5)))


@pytest.mark.parametrize(
    ("name", "bad", "good", "says"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "would delete whole streams"),
        ("appendonly", "no", "yes", "appendonly is off"),
    ],
)
async def test_server_that_would_lose_data_is_refused(
    server: LiveServer, redis_bus: RedisBus, tmp_path: Path, name: str, bad: str, good: str, says: str
) -> None:
    await redis_bus._server.call("CONFIG", "SET", name, bad)
    try:
        with pytest.raises(StoreRefused, match=says):
            await opened(server, tmp_path / "store")
    finally:
        await redis_bus._server.call("CONFIG", "SET", name, good)
    assert not (tmp_path / "store").exists()


async def test_no_server_at_all_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await open_bus(SETTINGS, f"unix://{tmp_path / 'none.sock'}")
