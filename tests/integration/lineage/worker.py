"""A recorder that is killed again and again while findings come; forked, so that importing MLflow costs nothing.

python -m tests.integration.lineage.worker REDIS_URL DATA_DIR OTHER_DATA_DIR ROUNDS SEED
"""

import os
import random
import signal
import sys
import time
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from agents.coordinator.desk import Desk
from agents.coordinator.lineage import LineageRecorder
from agents.parts import Context
from agents.runtime.home import Home
from agents.runtime.recording import RecorderRunner
from bus.embedded import tie_to_parent
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import AnomalyDetected, Evidence
from contracts.frames import encode
from contracts.settings import BusSettings
from models.tracking import Store, connect

PARTITIONS = 2
STREAM = AnomalyDetected.stream
TASK = f"coordinator.lineage<{STREAM}"
#: Findings of each partition that come before each life: not a whole number of segments.
EACH = 1_300


class Prompt(LineageRecorder):
    """Does not wait for more."""

    linger_s = 0.0


def finding(partition: int, number: int) -> AnomalyDetected:
    """The finding at an ordinal of a partition."""
    return AnomalyDetected.of(
        cause=f"{partition}-{number}", time=number, asset=f"pump-{partition}", channel="flow", score=0.97,
        threshold=0.9, reason="level", value=1.5, detector="ewma", bundle="b" * 64, feature_set="f" * 32,
        environment="e" * 32, evidence=Evidence(stream="readings.accepted", first=number, last=number + 9),
    )  # fmt: skip


async def come(url: str, first: int) -> None:
    """Findings from ``first`` on, in every partition."""
    bus = RedisBus(Server(url), PARTITIONS)
    for partition in range(PARTITIONS):
        events = [finding(partition, number) for number in range(first, first + EACH)]
        # Small entries: what follows each death is cut into other batches than before it.
        frames = [frame for n in range(0, EACH, 100) for frame in encode(events[n : n + 100], "anomaly")]
        await bus.append(Place(STREAM, partition), frames)
    await bus.close()


async def record(url: str, data_dir: Path, upto: int, begun: int) -> None:
    """Record until every partition is at its end; its successor has the same owner, as under a supervisor."""
    bus = RedisBus(Server(url), PARTITIONS)
    part = Prompt(store="log-1")
    part.prepare(Context("coordinator", data_dir))
    part._desk = Desk(None, data_dir, partial(lingering, begun))
    home = Home(bus, "host/here/coordinator", settings=BusSettings(backoff_s=0.01, backoff_max_s=0.2))
    async with anyio.create_task_group() as group:
        group.start_soon(RecorderRunner(home, "coordinator.lineage", part, STREAM).run)
        while await least(bus) < upto:  # noqa: ASYNC110 - what is waited for is in the log
            await anyio.sleep(0.02)
        home.stop.set()
    await bus.close()


def lingering(begun: int, step: str) -> None:
    """Deaths come at every step: the one between the end of a run and its receipt is short otherwise."""
    os.write(begun, b".")
    time.sleep(0.1 if step == "done" else 0.005)


async def least(bus: RedisBus) -> int:
    """How far the partition is that is behind the others."""
    return min([int(await bus.position(number, TASK) or 0) for number in range(PARTITIONS)])


def forked(work: Any, *arguments: Any) -> int:
    """Run it in a child, tied to us; returns its process id."""
    tie = tie_to_parent()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        if tie is not None:
            tie()
        anyio.run(work, *arguments)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent shows it
        traceback.print_exc()
    finally:
        os._exit(code)


def main(url: str, data_dir: Path, warm: Path, rounds: int, seed: int) -> None:
    """Kill that many recorders, let the last one finish, and say how many were killed at work."""
    connect(Store.local(warm)).experiment("warm")
    chance, killed = random.Random(seed), 0
    begun, begins = os.pipe()
    for number in range(rounds):
        os.waitpid(forked(come, url, number * EACH + 1), 0)
        child = forked(record, url, data_dir, (number + 1) * EACH, begins)
        # Opening the store takes longer than a record: death comes after the first step, or within the next ones.
        os.read(begun, 1)
        time.sleep(chance.uniform(0.0, 0.6))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        os.set_blocking(begun, False)
        with suppress(BlockingIOError):
            os.read(begun, 1 << 16)
        os.set_blocking(begun, True)
    _, status = os.waitpid(forked(record, url, data_dir, rounds * EACH, begins), 0)
    assert status == 0, status
    sys.stdout.write(f"{killed}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
