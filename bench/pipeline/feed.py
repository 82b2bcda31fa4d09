"""A source that never waits for its machines: waves with noise from many series, as fast as the pipeline takes them.

The driver steers it by a key in the server: with a rate it gives out what is due every few milliseconds, without one
it keeps a fixed number of readings under way between itself and the last task. When it hands rows over it says so, by
the clock that all processes of a machine share.

Nothing is planted at full speed, or drift would be reported, and its tests end. At a fixed rate every so many rows have
a spike in one series, further out than all before it: a detector that never forgets is surprised by nothing else for
long.
"""

import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import anyio
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.parts import Harvest, Source
from bus.redis import RedisBus, Server
from contracts.readings import Readings, Series

RATE_KEY, HANDED_KEY = "bench:rate", "bench:handed"
#: Tasks that must have seen a reading before it counts as done.
LAST = ("anomaly<readings.accepted", "drift<readings.accepted")
STEP_NS = 4_000_000
START_NS = 1_700_000_000 * 10**9
CHANNELS = 10
_TICK_S = 0.01
_LOOK_S = 0.5
#: Primes: waves and noise together repeat after more than a million rows.
_WAVES, _NOISE = 1021, 1031
#: Spikes grow from turn to turn, and begin anew before they are no numbers any more.
_SPIKE, _GROWTH, _TURNS = 10.0, 1.3, 500


class Feed(Source):
    """Readings of ``series`` series, all of them in each row; the row's number is their position."""

    repeats: ClassVar[bool] = True

    url: str = Field(description="the server, for steering")
    partitions: int = Field(ge=1)
    series: int = Field(default=1_000, ge=CHANNELS)
    window: int = Field(default=200_000, ge=1, description="readings under way while no rate is asked for")
    batch: int = Field(default=16_000, ge=1, description="most readings in one harvest")
    plant_every: int = Field(default=10, ge=1, description="rows from one spike to the next")

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        made, steering = Made(name, self.series, self.plant_every), Steering(self)
        row = int(resume or 0)
        try:
            while True:
                count = await steering.due(row)
                readings = made.rows(row, count, planted_from=steering.began_at if steering.rate else None)
                await steering.hand_over(row, count)
                row += count
                yield Harvest(readings, str(row))
        finally:
            await steering.close()


def asset_of(number: int) -> str:
    """The machine of a series."""
    return f"m-{number // CHANNELS:04}"


class Made:
    """Values that follow from row, series, and the row in which spikes begin."""

    def __init__(self, name: str, count: int, plant_every: int = 1) -> None:
        self.plant_every = plant_every
        rng = np.random.default_rng(5)
        self.series = tuple(Series(name, asset_of(i), f"c{i % CHANNELS}") for i in range(count))
        self.waves = np.sin(2 * np.pi * np.arange(_WAVES)[:, None] / _WAVES * 4 + rng.uniform(0, 2 * np.pi, count))
        self.noise = 0.1 * rng.standard_normal((_NOISE, count))

    def rows(self, first: int, count: int, *, planted_from: int | None = None) -> Readings:
        """Rows ``first`` to ``first + count - 1``: a reading of each series in each."""
        row, each = np.arange(first, first + count), len(self.series)
        value = self.waves[row % _WAVES] + self.noise[row % _NOISE]
        if planted_from is not None:
            planted = np.flatnonzero((row - planted_from) % self.plant_every == 0)
            turn, place = np.divmod((row[planted] - planted_from) // self.plant_every, each)
            value[planted, place] = _SPIKE * _GROWTH ** (turn % _TURNS)
        code: NDArray[np.int32] = np.tile(np.arange(each, dtype=np.int32), count)
        time_ns = np.repeat(START_NS + row * STEP_NS, each)
        return Readings.of(self.series, code, time_ns, value.ravel(), np.repeat(row + 1, each))


class Steering:
    """How many rows are due, as the driver wants it."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.bus = RedisBus(Server(feed.url), feed.partitions)
        self.client: Any = self.bus._server
        self.most = max(1, feed.batch // feed.series)
        self.rate, self.began_at, self._began, self._look_after = 0.0, 0, 0.0, 0.0
        self._done = 0

    async def due(self, row: int) -> int:
        """Wait until rows are due, and return how many."""
        while True:
            now = time.perf_counter()
            if now >= self._look_after:
                await self._look(row, now)
            if self.rate:
                count = int((now - self._began) * self.rate / self.feed.series) - (row - self.began_at)
            else:
                count = await self._room(row)
            if count > 0:
                return min(count, self.most)
            await anyio.sleep(_TICK_S)

    async def _look(self, row: int, now: float) -> None:
        rate = float(await self.client.call("GET", RATE_KEY) or 0)
        if rate != self.rate:
            self.rate, self._began, self.began_at = rate, now, row
        self._look_after = now + _LOOK_S

    async def _room(self, row: int) -> int:
        limit = self.feed.window - row * self.feed.series
        if self._done + limit < self.most * self.feed.series:
            self._done = await done(self.bus)
        # In whole harvests: small ones would cost more and say nothing else.
        return self.most if self._done + limit >= self.most * self.feed.series else 0

    async def hand_over(self, row: int, count: int) -> None:
        """Say when which rows were handed over."""
        await self.client.call("RPUSH", HANDED_KEY, f"{row} {count} {time.perf_counter_ns()}")

    async def close(self) -> None:
        await self.bus.close()


async def done(bus: RedisBus) -> int:
    """Readings that the slowest of the last tasks has committed, over all partitions."""
    total = dict.fromkeys(LAST, 0)
    for partition in range(bus.partitions):
        found = await bus.positions(partition)
        for task in LAST:
            total[task] += int(found.get(task) or 0)
    return min(total.values())
