"""A consumer group is made at ``$``, as most examples show it: everything that was written before the first consumer
came up is skipped, without an error. It works in every test in which the consumer starts first.
"""

from collections.abc import Sequence

import pytest

from bus import keys
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import STREAM, frame, numbers
from tests.servers import LiveServer

PLACE = Place(STREAM, 0)


class AtDollar(RedisBus):
    async def subscribe(self, group: str, places: Sequence[Place]) -> None:
        for place in places:
            await self._server.call("XGROUP", "CREATE", keys.stream(place), group, "$", "MKSTREAM")


async def check(server: LiveServer, kind: type[RedisBus]) -> None:
    bus = kind(Server(server.url), PARTITIONS)
    await bus._server.call("FLUSHALL")
    await bus.append(PLACE, [frame(1), frame(2)])
    await bus.subscribe("pager", [PLACE])
    await bus.append(PLACE, [frame(3)])
    found = await bus.fetch("pager", "one", [PLACE], count=10)
    await bus.close()
    assert numbers([delivery.entry for delivery in found]) == [1, 2, 3], "backlog skipped"


async def test_new_group_begins_with_the_backlog(server: LiveServer) -> None:
    await check(server, RedisBus)


async def test_group_made_at_dollar_skips_it(server: LiveServer) -> None:
    with pytest.raises(AssertionError, match="backlog skipped"):
        await check(server, AtDollar)
