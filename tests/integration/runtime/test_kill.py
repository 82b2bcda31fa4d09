"""kill -9 of a worker at random points: the log is the one of an undisturbed run, event for event."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter as Tally
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio

from bus.memory import MemoryBus
from bus.protocol import Bus, Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import SourceFinished
from tests.conftest import PARTITIONS
from tests.servers import LiveServer
from tests.unit.runtime.counting import INPUT, Counter, feed, home, of_type, plant, process, story

ROOT = Path(__file__).parents[3]
KILLS = 20
READINGS, ASSETS = 4000, 12


class Victims:
    """Workers, one at a time."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.integration.runtime.worker", url, str(PARTITIONS)]
        self._nursery = subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)
        self.pid = 0

    def start(self, owner: str) -> None:
        assert self._nursery.stdin
        assert self._nursery.stdout
        self._nursery.stdin.write(f"{owner}\n")
        self._nursery.stdin.flush()
        self.pid = int(self._nursery.stdout.readline())

    def end(self, number: signal.Signals) -> None:
        """Send the signal, and wait until the worker is gone."""
        os.kill(self.pid, number)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{self.pid}").exists():
            assert time.monotonic() < deadline, f"{self.pid} outlived {number.name}"
            time.sleep(0.002)

    def close(self) -> None:
        self._nursery.kill()
        self._nursery.communicate()


async def done(bus: Bus) -> bool:
    """Whether the source came to its end and the counter to the end of what it gave."""
    if not await of_type(bus, SourceFinished):
        return False
    ends = await bus.ends([Place(INPUT, number) for number in range(PARTITIONS)])
    return not [place for place, end in ends.items() if await position(bus, place) < end]


async def position(bus: Bus, place: Place) -> int:
    return int(await bus.position(place.partition, f"counter<{INPUT}") or 0)


async def progress(bus: Bus) -> int:
    return sum([await position(bus, Place(INPUT, number)) for number in range(PARTITIONS)])


async def test_kills_at_random_points_lose_and_double_nothing(new_server: Callable[[str], LiveServer]) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    server = new_server("valkey")
    bus = RedisBus(Server(server.url), PARTITIONS)
    kills = goal = 0
    victims = Victims(server.url)
    victims.start("worker-0")
    try:
        began = time.monotonic()
        while not await done(bus):
            goal += chance.randint(20, READINGS // KILLS * 2 - 20)
            while await progress(bus) < goal and not await done(bus):
                assert time.monotonic() - began < 60, f"not done in time, seed {seed}"
                await anyio.sleep(chance.uniform(0, 0.02))
            if kills < KILLS:
                victims.end(signal.SIGKILL)
                kills += 1
                # The same member in its next life, or another one that must wait for the lease.
                victims.start("worker-0" if chance.random() < 0.8 else f"worker-{kills}")
        victims.end(signal.SIGTERM)
    finally:
        victims.close()
    undisturbed = MemoryBus(PARTITIONS)
    await feed(undisturbed, plant(READINGS, ASSETS), 1000)
    await process(home(undisturbed), Counter())
    for stream in (INPUT, "incidents"):
        found, wanted = Tally(await story(bus, stream)), Tally(await story(undisturbed, stream))
        assert (list((wanted - found).items())[:3], list((found - wanted).items())[:3]) == ([], []), f"seed {seed}"
        assert await story(bus, stream) == await story(undisturbed, stream), f"order, seed {seed}"
    assert kills >= KILLS // 2, f"it was killed only {kills} times, seed {seed}"
    await bus.close()
