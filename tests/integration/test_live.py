"""The page's view of the present from real servers: what agents saved, and what a restart interrupts."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from agents.state import dump
from agents.validation import Validation
from bus.protocol import Bus, Commit, Place, Snapshot
from bus.redis import open_bus
from bus.redis.bus import RedisBus
from console.api.api import begun
from contracts.errors import Unavailable
from contracts.events import ReadingsAccepted, ReadingsAcquired
from contracts.frames import encode
from contracts.instants import SECOND
from contracts.settings import AgentSettings, RedisSettings, Settings
from tests.apis import Client, running_api
from tests.fleets import batch, readings
from tests.servers import LiveServer


async def test_the_fleet_knows_series_of_long_ago_from_what_validation_saved(
    redis_bus: RedisBus, tmp_path: Path
) -> None:
    """Their last readings are not in the log any more; what came after the saved state is read there."""
    validation = Validation()
    state = validation.start()
    both = ["a/old", "a/x"] * 50
    told = [
        *validation.handle(_acquired(both, [n // 2 for n in range(100)], [n % 14 for n in range(100)]), state),
        *validation.handle(_acquired(["a/x"] * 400, list(range(50, 450)), [20.0 + n % 7 for n in range(400)]), state),
    ]
    task, place = "validation<readings.acquired", Place(ReadingsAccepted.stream, 0)
    token = await redis_bus.acquire(0, task, "test", seen=None)
    assert token is not None
    await redis_bus.fence(0, task, token)
    outputs = [(type(each).stream, frame) for each in told for frame in encode([each], task)]
    await redis_bus.commit(Commit(0, task, token, "", "500", outputs))
    end = (await redis_bus.ends([place]))[place]
    await redis_bus.save(0, task, token, Snapshot("500", dump(state), {ReadingsAccepted.stream: end}))
    await readings(redis_bus, ["a/x"], [500], [99])
    settings = Settings(data_dir=tmp_path, agents={"validation": AgentSettings()})
    async with running_api(redis_bus, settings) as api:
        fleet = await api.application.watch.fleet()
        rows = {name: (fleet.columns.time[n] // SECOND, fleet.columns.value[n]) for name, n in fleet.numbers.items()}
        assert rows == {"a/old": (49, 0), "a/x": (500, 99)}
        assert fleet.summary()["states"]["gap"] == 1


async def test_a_server_that_was_away_is_waited_for(new_server: Callable[[str], LiveServer], tmp_path: Path) -> None:
    """The connection stays, and what comes after is told."""
    live = new_server("valkey")
    settings = Settings(data_dir=tmp_path, redis=RedisSettings(url=live.url, allow_unsafe=True))
    bus = await open_bus(settings, live.url)
    query = "?topic=readings&series=a/x"
    async with running_api(bus) as api, Client(api.port, query, path="/api/v1/live") as client:
        await client.block()
        await readings(bus, ["a/x"], [1], [1])
        assert (await client.event())[1]["series"]["a/x"]["v"] == [1]
        live.stop()
        await anyio.sleep(0.3)
        live.start()
        await readings(bus, ["a/x"], [2], [2])
        with anyio.fail_after(30):
            assert (await client.event())[1]["series"]["a/x"]["v"] == [2]
    await bus.close()


async def test_a_log_that_is_about_to_begin_is_waited_for(
    new_server: Callable[[str], LiveServer], tmp_path: Path
) -> None:
    """A supervisor starts the interface beside those who begin the log; without patience it says what is missing."""
    live = new_server("valkey")
    settings = Settings(data_dir=tmp_path, redis=RedisSettings(url=live.url, allow_unsafe=True))
    with pytest.raises(Unavailable, match="holds no log"):
        await begun(settings, live.url, 0.0)
    found: list[Bus] = []

    async def wait() -> None:
        found.append(await begun(settings, live.url, 60.0))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(0.3)
        assert found == []
        first = await open_bus(settings, live.url)
    assert found[0].identity == first.identity
    await first.close()
    await found[0].close()


def _acquired(names: list[str], times: list[float], values: list[float]) -> ReadingsAcquired:
    return ReadingsAcquired(batch(names, times, values))
