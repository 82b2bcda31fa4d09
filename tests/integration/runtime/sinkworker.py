"""Processes that run a sink on a real server until SIGTERM. What it does with an event, the event's subject says."""

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
from pydantic import PrivateAttr

from agents.parts import Sink
from agents.runtime.home import Home
from agents.runtime.sinks.sinking import SinkRunner
from bus.embedded import tie_to_parent
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import NotificationDue
from contracts.settings import BusSettings


class Diary(Sink[NotificationDue]):
    """Writes down when it begins and ends each delivery. ``slow 2`` takes 2 s, ``kill`` ends the process."""

    path: Path

    _file: Any = PrivateAttr(default=None)

    async def deliver(self, event: NotificationDue) -> None:
        self._write("begin", event)
        verb, _, rest = event.subject.partition(" ")
        if verb == "slow":
            await anyio.sleep(float(rest.partition(" ")[0]))
        if verb == "kill":
            os._exit(137)
        self._write("end", event)

    def _write(self, what: str, event: NotificationDue) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([what, event.subject, os.getpid()]) + "\n")


async def main(url: str, owner: str, path: str, lease_s: float) -> None:
    settings = BusSettings(partitions=1, lease_s=lease_s, backoff_s=0.02, backoff_max_s=0.1)
    bus = RedisBus(Server(url), 1)
    home = Home(bus, owner, settings)
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_term, home)
        await SinkRunner(home, "diary", Diary(path=Path(path)), [NotificationDue.stream]).run()
        group.cancel_scope.cancel()
    await bus.close()


async def stop_on_term(home: Home) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            home.stop.set()


def nursery(main: Callable[..., Awaitable[None]]) -> None:
    """Fork a worker for each line, the JSON of its arguments, and print its pid: without the seconds of importing."""
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
    nursery(main)
