"""What is done to the fleet, by chance from a seed, and when."""

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from .fleet import Fleet, Worker

#: Longer than a lease with what it takes to notice.
PAUSES_S = (0.9, 1.5)
#: Longer than workers wait for an answer, or shorter.
SERVER_PAUSES_S = (0.3, 1.6)
KINDS = {
    "kill": 6,
    "kill two": 3,
    "pause": 4,
    "pause, then the heir": 3,
    "stop": 2,
    "kill server": 4,
    "pause server": 2,
    "kill all": 1,
}


@dataclass(frozen=True)
class Disturbance:
    """One thing to do, when so much of the work is done."""

    kind: str
    at: float
    """Share of the work, 0 to 1."""


def drawn(chance: random.Random, count: int) -> list[Disturbance]:
    """A schedule for one round."""
    kinds = chance.choices(list(KINDS), list(KINDS.values()), k=count)
    places = sorted(chance.uniform(0.02, 0.9) for _ in kinds)
    return [Disturbance(kind, at) for kind, at in zip(kinds, places, strict=True)]


class Disturber:
    """Does what the schedule says. Workers come back while the round goes on."""

    def __init__(self, fleet: Fleet, chance: random.Random, group: TaskGroup) -> None:
        self.fleet, self.chance, self.group = fleet, chance, group
        self.done: list[str] = []
        # Of its own: it is drawn from in a thread, beside what goes on here.
        self._servers = random.Random(chance.random())

    async def apply(self, kind: str) -> None:
        """One disturbance; returns when the server answers again."""
        if kind == "kill server":
            self._note(kind)
            await self._kill_server()
        elif kind == "pause server":
            await self._pause_server()
        elif kind == "kill all":
            victims = self._victims(len(self.fleet.workers))
            self.fleet.send(victims, signal.SIGKILL)
            self._note(kind)
            await self._kill_server()
            self._come_back(victims)
        elif kind in ("kill", "kill two"):
            victims = self._victims(2 if kind == "kill two" else 1)
            self._note(kind, victims)
            self.fleet.send(victims, signal.SIGKILL)
            self._come_back(victims)
        elif kind == "stop":
            victims = self._victims(1)
            self._note(kind, victims)
            self.fleet.send(victims, signal.SIGTERM)
            self._come_back(victims)
        else:
            self._pause(kind)

    def _pause(self, kind: str) -> None:
        victims = self._victims(1)
        if not victims:
            return
        heir = None
        if kind != "pause":
            twin = victims[0].slot[:-1] + ("b" if victims[0].slot.endswith("a") else "a")
            heir = self.fleet.workers[twin]
            if heir.busy:
                heir = None
            else:
                heir.busy = True
        self._note(kind, [*victims, *([heir] if heir else [])])
        self.group.start_soon(self._asleep, victims[0], heir, self.chance.uniform(*PAUSES_S))

    async def _asleep(self, worker: Worker, heir: Worker | None, seconds: float) -> None:
        self.fleet.send([worker], signal.SIGSTOP)
        await anyio.sleep(seconds)
        if heir:
            # The one that wakes up finds the log as it left it: nothing but its token can tell it that it is late.
            self.fleet.send([heir], signal.SIGSTOP)
        self.fleet.send([worker], signal.SIGCONT)
        worker.busy = False
        if heir:
            await anyio.sleep(0.4)
            self.fleet.send([heir], signal.SIGCONT)
            heir.busy = False

    async def _pause_server(self) -> None:
        self._note("pause server")
        seconds = self.chance.uniform(*SERVER_PAUSES_S)
        await to_thread.run_sync(self.fleet.server.pause, self._servers, seconds)

    async def _kill_server(self) -> None:
        await to_thread.run_sync(self.fleet.server.kill, self._servers)

    def _victims(self, count: int) -> list[Worker]:
        free = [worker for worker in self.fleet.workers.values() if worker.alive and not worker.busy]
        victims = self.chance.sample(free, min(count, len(free)))
        for worker in victims:
            worker.busy = True
        return victims

    def _come_back(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            self.group.start_soon(self._back, worker, self.chance.uniform(0, 0.6), self.chance.random() < 0.3)

    async def _back(self, worker: Worker, pause_s: float, renamed: bool) -> None:
        stubborn = await to_thread.run_sync(self._gone, worker)
        await anyio.sleep(pause_s)
        if not stubborn:
            self.fleet.start(worker, renamed=renamed)
        worker.busy = False

    @staticmethod
    def _gone(worker: Worker, within_s: float = 10) -> bool:
        """Wait for its end; whether it did not come."""
        deadline = time.monotonic() + within_s
        while worker.alive and time.monotonic() < deadline:
            time.sleep(0.005)
        return worker.alive

    def _note(self, kind: str, workers: Sequence[Worker] = ()) -> None:
        self.done.append(f"{kind} {' '.join(worker.slot for worker in workers)}".strip())
