"""Forks a worker for each line that it reads: a process that runs some parts until SIGTERM.

The modules are imported once: a round starts dozens of workers.
"""

import json
import os
import random
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import anyio

from agents.runtime.home import Home
from agents.supervisor import Supervisor
from bus.embedded import tie_to_parent
from bus.redis.server import Server
from contracts.settings import BusSettings

from .broken import BROKEN
from .parts import PARTITIONS, topology
from .storm import StormyBus

#: A process that grows beyond this does not survive.
MOST_MEMORY = 2 << 30


def settings() -> BusSettings:
    """Short times: a round has to be over in seconds."""
    return BusSettings(
        partitions=PARTITIONS,
        lease_s=0.6,
        snapshot_s=0.1,
        read_events=100,
        backoff_s=0.02,
        backoff_max_s=0.2,
        tries=1000,
    )


async def main(order: dict[str, Any]) -> None:
    """Run the parts that the order names."""
    folder = Path(order["folder"])
    kind: type[StormyBus] = StormyBus
    if order["broken"]:
        kind = type("BrokenBus", (StormyBus, BROKEN[order["broken"]]), {})
    server = Server(order["url"], timeout_s=1.0)
    bus = kind(server, PARTITIONS, random.Random(order["seed"]), folder / "audit")
    parts = topology(folder, pause_s=order["pause_s"])
    home = Home(bus, order["owner"], settings())
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_term, home)
        # A batch run: no ticks, whose number depends on the time that passes.
        await Supervisor(home, parts, parts.only(order["agents"]), live=False).run()
        group.cancel_scope.cancel()
    await bus.close()


async def stop_on_term(home: Home) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            home.stop.set()


def nursery() -> None:
    """Fork a worker for each order on stdin, and print its pid."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        tie = tie_to_parent()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if tie:
                tie()
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
            output = os.open(f"{order['folder']}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(output, 1)
            os.dup2(output, 2)
            code = 1
            try:
                anyio.run(main, order)
                code = 0
            except BaseException:  # noqa: BLE001 - a fork must not go on with the loop of its parent
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(pid, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    nursery()
