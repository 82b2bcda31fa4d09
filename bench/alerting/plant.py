"""Machines that tell readings, some of which go over a limit for a while, at random moments."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import httpx

#: Each machine tells a reading every so often, where nothing else is said.
PERIOD_S = 0.1
LIMIT = 100.0
_FAULT_S = 4.0
#: Requests under way: each is answered when its readings are on disk, up to a second later.
_MOST_PUSHES = 64


@dataclass
class Plant:
    """Readings of ``assets`` machines, for ``seconds``; some go wrong, once each; ``began``: when (monotonic)."""

    assets: int
    seconds: float
    seed: int
    faults: int
    values: dict[str, float] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    period_s: float = PERIOD_S

    def __post_init__(self) -> None:
        names = [f"m-{number:03}" for number in range(self.assets)]
        chance = random.Random(self.seed)  # noqa: S311 - a simulation
        self.values = dict.fromkeys(names, 20.0)
        wrong = chance.sample(names, self.faults)
        self._plan = {name: chance.uniform(0.0, self.seconds - 2 * _FAULT_S) for name in wrong}

    async def tell(self, *urls: str) -> None:
        """Push to all URLs until the time is over; what is wrong is so from the push of its first reading on."""
        begin, pushes = time.monotonic(), asyncio.Semaphore(_MOST_PUSHES)
        limits = httpx.Limits(max_connections=_MOST_PUSHES)
        async with httpx.AsyncClient(timeout=30, limits=limits) as client, asyncio.TaskGroup() as group:
            step = 0
            while (now := time.monotonic() - begin) < self.seconds:
                self._go_wrong(now)
                lines = self._lines()
                for url in urls:
                    await pushes.acquire()
                    task = group.create_task(self._push(client, url, lines))
                    task.add_done_callback(lambda _: pushes.release())
                step += 1
                await asyncio.sleep(max(0.0, begin + step * self.period_s - time.monotonic()))

    def _go_wrong(self, now: float) -> None:
        for name, at in self._plan.items():
            wrong = at <= now < at + _FAULT_S
            self.values[name] = 150.0 if wrong else 20.0
            if wrong and name not in self.began:
                self.began[name] = time.monotonic()

    def _lines(self) -> str:
        at = time.time_ns()
        return "\n".join(f"machine,asset={name} heat={value} {at}" for name, value in self.values.items())

    async def _push(self, client: httpx.AsyncClient, url: str, lines: str) -> None:
        answer = await client.post(url, content=lines)
        self.refused += answer.status_code >= 300
