"""Processes that run the counter on a real server until SIGTERM: the victims of test_kill."""

import os
import signal
import sys

import anyio

from agents.runtime.home import Home
from agents.supervisor import Supervisor
from agents.topology import Placed, Topology
from bus.embedded import tie_to_parent
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.settings import BusSettings
from tests.unit.runtime.counting import Counter, Shelf


async def main(url: str, owner: str, partitions: int) -> None:
    settings = BusSettings(
        partitions=partitions, lease_s=0.6, snapshot_s=0.05, read_events=40, backoff_s=0.02, backoff_max_s=0.1
    )
    bus = RedisBus(Server(url), partitions)
    home = Home(bus, owner, settings)
    source = Placed("acquisition", "plant", Shelf(count=4000, assets=12, batch=20))
    topology = Topology([source, Placed("counter", "counter", Counter())])
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_term, home)
        # A batch run: no ticks, whose number depends on the time that passes.
        await Supervisor(home, topology, topology.placed, live=False).run()
        group.cancel_scope.cancel()
    await bus.close()


async def stop_on_term(home: Home) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            home.stop.set()


def nursery(url: str, partitions: int) -> None:
    """Fork a worker for each line, the name of its owner, and print its pid: without the seconds of importing."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        tie = tie_to_parent()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if tie:
                tie()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            anyio.run(main, url, line.strip(), partitions)
            os._exit(0)
        print(pid, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    nursery(sys.argv[1], int(sys.argv[2]))
