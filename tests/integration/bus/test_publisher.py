"""The publisher on real servers, with replies and requests that get lost."""

import anyio

from bus.publisher import publishing
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import NotificationSent
from tests.conftest import PARTITIONS
from tests.integration.bus.frames import everything, number
from tests.servers import Fate, LiveServer, proxied

EVENTS, TASKS = 300, 20


async def test_every_event_is_in_the_log_once_though_replies_and_requests_get_lost(server: LiveServer) -> None:
    async with proxied(server) as proxy:
        bus = RedisBus(Server(proxy.url, timeout_s=0.2), PARTITIONS)
        await bus._server.call("FLUSHALL")
        asked = [0]

        def plan(request: bytes) -> Fate:
            asked[0] += b"EVALSHA" in request
            return Fate.LOSE_REPLY if b"EVALSHA" in request and asked[0] % 4 == 0 else Fate.PASS

        left = iter(range(EVENTS))

        async def publish() -> None:
            for value in left:
                await publisher.publish(0, number(value))

        async with publishing(bus, "me") as publisher:
            await publisher.publish(0, number(EVENTS))
            proxy.plan = plan
            async with anyio.create_task_group() as group:
                for _ in range(TASKS):
                    group.start_soon(publish)
        assert asked[0] > EVENTS // TASKS, "it was put to the test"
        assert sorted(await everything(bus, NotificationSent.stream)) == list(range(EVENTS + 1))
        await bus.close()
