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
import pyarrow.parquet  # noqa: F401 - before the fork: each worker would need a while for it

from agents.runtime.archive.archiving import ArchiveRunner
from agents.runtime.home import Home
from agents.supervisor import Supervisor
from bus.embedded import tie_to_parent
from bus.history import History
from bus.redis.connecting import connect
from contracts.settings import ArchiveSettings, BusSettings, RedisSettings

from .broken import BROKEN
from .parts import PARTITIONS, archive_in, topology
from .storm import StormyBus

#: A process that grows beyond this does not survive.
MOST_MEMORY = 2 << 30
#: Many small files, and nothing stays on the server that may go.
ARCHIVING = ArchiveSettings(every_s=0.1, most_age_s=0.3, segment_events=60, keep_events=0, checkpoint_s=0.5)


def settings(lease_s: float = 0.6) -> BusSettings:
    """Short times: a round has to be over in seconds."""
    return BusSettings(
        partitions=PARTITIONS,
        lease_s=lease_s,
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
    server = connect(order["url"], RedisSettings(wait_replicas=order["replicas"]), timeout_s=1.0)
    chance = None if order["calm"] else random.Random(order["seed"])
    bus = kind(server, PARTITIONS, chance, folder / "audit")
    parts = topology(folder, pause_s=order["pause_s"])
    archive = archive_in(folder) if order["archive"] else None
    home = Home(bus, order["owner"], settings(order["lease_s"]), history=History(archive, bus) if archive else None)
    archives = archive if "recorder" in order["agents"] else None
    archiver = ArchiveRunner(home, archives, ARCHIVING, configured=parts.known()) if archives else None
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_term, home)
        # A batch run: no ticks, whose number depends on the time that passes.
        await Supervisor(home, parts, parts.only(order["agents"]), live=False, archiver=archiver).run()
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
