"""Processes that deliver from a real server until SIGTERM."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio

from agents.notification.delivery.delivery import Delivery
from agents.parts import Context
from agents.runtime.home import Home
from agents.runtime.sinks.sinking import SinkRunner
from bus.embedded import tie_to_parent
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import NotificationDue
from contracts.settings import BusSettings
from contracts.subscribers import subscriber
from tests.integration.runtime.sinkworker import stop_on_term


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


def nursery() -> None:
    """Fork a worker for each line, the JSON of its arguments, and print its pid: without the seconds of importing."""
    import agents.notification.delivery.webhook  # noqa: F401 - imported once rather than in each child

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        tie = tie_to_parent()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if tie:
                tie()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            anyio.run(main, *json.loads(line))
            os._exit(0)
        print(pid, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    nursery()
