"""Events over HTTP from a real server: what the archive has, what a restart interrupts, a log that is another."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from bus.archive import Archive
from bus.protocol import Place
from bus.redis import open_bus
from bus.redis.bus import RedisBus
from contracts.settings import ArchiveSettings, RedisSettings, Settings
from tests.apis import Client, alerts, put, running_api
from tests.servers import LiveServer

ALERTS = Place("alerts", 0)


async def test_what_was_trimmed_comes_from_the_archive(redis_bus: RedisBus, tmp_path: Path) -> None:
    """One history: each event once, also where a subscriber comes back with a position in the part that is gone."""
    folder = tmp_path / "archive"
    for first in range(0, 90, 30):
        await put(redis_bus, alerts(first, 30))
    entries = await redis_bus.range(ALERTS, 1, 60, count=10)
    await Archive(folder, redis_bus.identity, redis_bus.partitions).add(ALERTS, entries)
    assert await redis_bus.trim(ALERTS, 60) == 60
    settings = Settings(data_dir=tmp_path, archive=ArchiveSettings(path=folder))
    async with running_api(redis_bus, settings) as api:
        async with Client(api.port, "?since=1970-01-01T00:00:00Z") as client:
            seen = [row["alert"] for row in await client.events(17)]
        async with client:
            seen += [row["alert"] for row in await client.events(73)]
            await put(redis_bus, alerts(90, 1))
            seen += [row["alert"] for row in await client.events(1)]
    assert seen == [f"a{n}" for n in range(91)]


async def test_what_nobody_has_is_told_as_a_gap(redis_bus: RedisBus) -> None:
    """Never passed over in silence."""
    for first in range(0, 60, 30):
        await put(redis_bus, alerts(first, 30))
    async with running_api(redis_bus) as api:
        old = f"{api.application.hub.mark}~alerts:AAU"
        await redis_bus.trim(ALERTS, 30)
        async with Client(api.port, last=old) as client:
            kind, notice = await client.event()
            assert (kind, notice["first"], notice["last"]) == ("tocsin.gap", 6, 30)
            assert [row["alert"] for row in await client.events(30)] == [f"a{n}" for n in range(30, 60)]


async def test_a_server_that_was_away_is_waited_for(new_server: Callable[[str], LiveServer], tmp_path: Path) -> None:
    """The connection stays, and nothing is missed."""
    live = new_server("valkey")
    bus = await _opened(live, tmp_path)
    async with running_api(bus) as api, Client(api.port) as client:
        await put(bus, alerts(0, 3))
        assert len(await client.events(3)) == 3
        live.stop()
        await anyio.sleep(0.3)
        live.start()
        await put(bus, alerts(3, 3))
        assert [row["alert"] for row in await client.events(3)] == ["a3", "a4", "a5"]
    await bus.close()


async def test_another_log_ends_all_subscriptions(new_server: Callable[[str], LiveServer], tmp_path: Path) -> None:
    """Positions of the one mean nothing in the other."""
    bus = await _opened(new_server("valkey"), tmp_path)
    async with running_api(bus) as api:
        async with Client(api.port) as client:
            await client.block()
            await bus._server.call("FLUSHALL")
            with pytest.raises(EOFError):
                await client.event()
        async with Client(api.port) as again:
            assert again.status == 503
    await bus.close()


async def test_a_log_that_lost_its_end_is_told(redis_bus: RedisBus) -> None:
    """As after a failover to a replica that lagged: what comes instead of what was told is not passed by."""
    await put(redis_bus, alerts(0, 10))
    async with running_api(redis_bus) as api:
        async with Client(api.port) as client:
            await client.block()
            await redis_bus._server.call("XDEL", "tocsin:{0}:alerts", "10-10")
            await redis_bus._server.call("HSET", "tocsin:{0}:ledger", "end:alerts", 4)
            with pytest.raises(EOFError):
                await client.event()
        async with client:
            kind, notice = await client.event()
            assert (kind, notice["first"], notice["last"]) == ("tocsin.gap", 5, 10)


async def _opened(live: LiveServer, folder: Path) -> RedisBus:
    settings = Settings(data_dir=folder, redis=RedisSettings(url=live.url, allow_unsafe=True))
    bus = await open_bus(settings, live.url)
    assert isinstance(bus, RedisBus)
    return bus
