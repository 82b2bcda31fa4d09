"""One round: a fleet, a schedule of disturbances, and the verdict."""

import random
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from bus.history import History
from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from contracts.errors import Unavailable

from .fleet import Fleet, Nursery, Scene, Worker
from .parts import PARTITIONS, READINGS, TASKS, archive_in
from .schedule import Disturber, drawn
from .verdict import problems, trimmed, undisturbed, undone

MOST_MB = 400
#: A fleet that handles nothing for so long has got stuck.
STUCK_S = 12.0
#: Without progress for so long the next disturbance comes anyway.
PATIENCE_S = 1.5
PLAIN = Scene()


@dataclass
class Outcome:
    """What a round brought."""

    seed: int
    seconds: float = 0.0
    done: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    peak_mb: int = 0
    folder: Path | None = None

    def forget(self) -> None:
        """Delete what was kept."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __str__(self) -> str:
        verdict = "; ".join(self.problems[:4]) or "ok"
        return f"seed {self.seed}  {self.seconds:.1f} s  {self.peak_mb} MB  [{', '.join(self.done)}]  {verdict}"


def play(nursery: Nursery, seed: int, scene: Scene = PLAIN, *, disturbances: int = 4) -> Outcome:
    """One round from its seed. The folder of a round with problems is kept."""
    chance = random.Random(seed)
    outcome = Outcome(seed)
    undisturbed()
    began = time.monotonic()
    with Fleet(nursery, chance, scene) as fleet:
        # What a broken bus has got stuck in needs no patience.
        anyio.run(_play, fleet, chance, outcome, disturbances, STUCK_S / 3 if scene.broken else STUCK_S)
    outcome.seconds = time.monotonic() - began
    if outcome.problems:
        outcome.folder = fleet.folder
    else:
        fleet.forget()
    return outcome


async def _play(fleet: Fleet, chance: random.Random, outcome: Outcome, disturbances: int, stuck_s: float) -> None:
    bus = RedisBus(connect(fleet.server.url), PARTITIONS)
    async with anyio.create_task_group() as group:
        disturber = Disturber(fleet, chance, group)
        outcome.done = disturber.done
        for disturbance in drawn(chance, disturbances):
            await _reached(bus, disturbance.at)
            await disturber.apply(disturbance.kind)
    # Everybody is back here.
    left = await _drained(bus, stuck_s)
    if left:
        outcome.problems.append(f"stuck for {stuck_s:.0f} s: {left}")
    workers = list(fleet.workers.values())
    outcome.peak_mb = max(worker.peak_mb for worker in workers)
    if outcome.peak_mb > MOST_MB:
        outcome.problems.append(f"a worker needed {outcome.peak_mb} MB")
    outcome.problems += _lost(workers)
    outcome.problems += [f"{slot} did not stop in 10 s" for slot in fleet.end(workers, signal.SIGTERM)]
    await bus.close()
    # Connections of its own: of the others some may still be those of a server that was killed.
    bus = RedisBus(connect(fleet.server.url), PARTITIONS)
    log = History(archive_in(fleet.folder), bus) if fleet.scene.archive else bus
    outcome.problems += await problems(log, fleet.folder)
    if fleet.scene.archive and not await trimmed(bus):
        outcome.problems.append("nothing was trimmed: the archive had no part in it")
    await bus.close()


def _lost(workers: list[Worker]) -> list[str]:
    """Workers that ended by themselves; a source does so when it is done."""
    return [f"{worker.slot} died" for worker in workers if not worker.alive and not worker.slot.startswith("source")]


async def _reached(bus: RedisBus, share: float) -> None:
    goal = share * READINGS * len(TASKS) * 0.6
    best, deadline = -1, time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = await _progress(bus)
        if found >= goal:
            return
        if found > best:
            best, deadline = found, time.monotonic() + PATIENCE_S
        await anyio.sleep(0.01)


async def _progress(bus: RedisBus) -> int:
    total = 0
    with suppress(Unavailable):
        for number in range(PARTITIONS):
            positions = await bus.positions(number)
            total += sum(int(positions.get(f"{task}<{stream}", "0")) for task, stream in TASKS.items())
    return total


async def _drained(bus: RedisBus, stuck_s: float) -> dict[str, int]:
    """Wait until all is done; returns what is not."""
    left: dict[str, int] = {"everything": 1}
    best, deadline = left, time.monotonic() + stuck_s
    while left and time.monotonic() < deadline:
        with suppress(Unavailable):
            left = await undone(bus)
        if left != best:
            best, deadline = left, time.monotonic() + stuck_s
        await anyio.sleep(0.02)
    return left
