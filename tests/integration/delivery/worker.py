"""Processes that deliver from a real server until SIGTERM."""

from pathlib import Path
from typing import Any

import anyio

from agents.notification.delivery.delivery import Delivery
from agents.parts import Context
from agents.runtime.home import Home
from agents.runtime.sinks.sinking import SinkRunner
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import NotificationDue
from contracts.settings import BusSettings
from contracts.subscribers import subscriber
from tests.integration.runtime.sinkworker import nursery, stop_on_term


async def main(url: str, owner: str, folder: str, specs: dict[str, Any], settings: dict[str, Any]) -> None:
    given = {"partitions": 1, "backoff_s": 0.02, "backoff_max_s": 0.1, "lease_s": 0.6, "tries": 10_000, **settings}
    bus = RedisBus(Server(url, timeout_s=1.0), 1)
    delivery = Delivery(subscribers={name: subscriber(spec) for name, spec in specs.items()})
    delivery.prepare(Context("notification", Path(folder)))
    home = Home(bus, owner, BusSettings(**given))
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_term, home)
        await SinkRunner(home, "delivery", delivery, [NotificationDue.stream]).run()
        group.cancel_scope.cancel()
    await bus.close()


if __name__ == "__main__":
    import agents.notification.delivery.webhook  # noqa: F401 - imported once rather than in each child

    nursery(main)
