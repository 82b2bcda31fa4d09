"""A Redis that was a cache before has an eviction policy. When its memory is short it deletes whole streams together
with their groups, and answers every command with success.
"""

from collections.abc import Callable

import pytest

from bus.protocol import Place
from bus.redis import opening
from bus.redis.opening import open_bus
from bus.redis.server import Server
from contracts.errors import StoreRefused, Unavailable
from contracts.settings import BusSettings, Settings
from tests.integration.bus.frames import STREAM, frame
from tests.servers import LiveServer

PARTITIONS = 8
SETTINGS = Settings(bus=BusSettings(partitions=PARTITIONS))
NewServer = Callable[[str], LiveServer]
kinds = pytest.mark.parametrize("kind", ["valkey", "redis"])


async def former_cache(live: LiveServer) -> None:
    """A server with little memory that makes room by itself."""
    raw = Server(live.url)
    used = int((await opening.info(raw))["used_memory"])
    await raw.call("CONFIG", "SET", "maxmemory", used + 3_000_000)
    await raw.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await raw.close()


async def check(live: LiveServer) -> None:
    """Write about twice of what there is room for: whatever was acknowledged must still be there."""
    await former_cache(live)
    try:
        bus = await open_bus(SETTINGS, live.url)
    except StoreRefused:
        return
    written = [frame(*range(400)) for _ in range(15)]
    places = [Place(STREAM, number) for number in range(PARTITIONS)]
    kept = dict.fromkeys(places, 0)
    try:
        for place in places:
            kept[place] = await bus.append(place, written)
    except Unavailable:
        pass
    found = {place: len(await bus.range(place, 1, 10**9, count=10**6)) * 400 for place in places}
    await bus.close()
    assert found == kept, "acknowledged and gone"


@kinds
async def test_server_that_evicts_is_refused(new_server: NewServer, kind: str) -> None:
    await check(new_server(kind))


@kinds
async def test_without_the_look_at_its_policy_streams_vanish(
    new_server: NewServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trusting(server: Server, allow_unsafe: bool) -> None:
        return None

    monkeypatch.setattr(opening, "_check_set_up", trusting)
    with pytest.raises(AssertionError, match="acknowledged and gone"):
        await check(new_server(kind))
