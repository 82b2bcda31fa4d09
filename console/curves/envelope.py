"""The lowest and the highest reading of each step of time: however many readings there are, memory stays bounded."""

import numpy as np

from contracts.instants import EARLIEST, LATEST, SECOND
from contracts.readings import Float64, Int64

#: Steps of a curve in a report.
STEPS = 600


class Envelope:
    """Lowest and highest reading in each of ``steps`` equal steps from ``since`` to ``until`` (ns, both included).

    The extremes are readings that were there, with their own times, whatever the order that readings come in and
    however they are cut. Where the range is not known the steps begin at the first reading and grow as the curve does.
    """

    def __init__(self, since: int, until: int, steps: int = STEPS) -> None:
        known = since > EARLIEST and until < LATEST
        self.steps = steps + steps % 2
        self.origin: int | None = since if known else None
        self.step = max((until - since) // self.steps + 1, 1) if known else SECOND // 1000
        self.low, self.high = np.full(self.steps, np.inf), np.full(self.steps, -np.inf)
        self._low_at, self._high_at = np.zeros(self.steps, np.int64), np.zeros(self.steps, np.int64)

    def add(self, times: Int64, values: Float64) -> None:
        """Take in readings, finite ones; those from before the first one that was ever seen count to its step."""
        if not len(times):
            return
        if self.origin is None:
            self.origin = int(times.min())
        while int(times.max()) - self.origin >= self.steps * self.step:
            self._halve()
        at = np.clip((times - self.origin) // self.step, 0, self.steps - 1)
        if np.any(at[1:] < at[:-1]):
            order = np.argsort(at, kind="stable")
            at, times, values = at[order], times[order], values[order]
        starts = np.flatnonzero(np.r_[True, at[1:] != at[:-1]])
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(at)], strict=True):
            self._take(int(at[start]), times[start:stop], values[start:stop])

    def _take(self, at: int, times: Int64, values: Float64) -> None:
        # Of readings that are equally low the earliest stands, or the order in which they come would tell.
        low, high = float(values.min()), float(values.max())
        if low <= self.low[at]:
            first = int(times[values == low].min())
            self._low_at[at] = first if low < self.low[at] else min(first, int(self._low_at[at]))
            self.low[at] = low
        if high >= self.high[at]:
            first = int(times[values == high].min())
            self._high_at[at] = first if high > self.high[at] else min(first, int(self._high_at[at]))
            self.high[at] = high

    def _halve(self) -> None:
        """Twice the step: each pair of steps becomes one."""
        pairs = np.arange(0, self.steps, 2)
        low = pairs + (self.low[pairs + 1] < self.low[pairs])
        high = pairs + (self.high[pairs + 1] > self.high[pairs])
        rest = self.steps // 2
        self.low, self._low_at = np.r_[self.low[low], np.full(rest, np.inf)], self._grown(self._low_at[low])
        self.high, self._high_at = np.r_[self.high[high], np.full(rest, -np.inf)], self._grown(self._high_at[high])
        self.step *= 2

    def _grown(self, times: Int64) -> Int64:
        grown: Int64 = np.r_[times, np.zeros(self.steps - len(times), np.int64)]
        return grown

    def bands(self) -> tuple[Int64, Float64, Float64]:
        """Times in the middle of the steps that have readings (ns), with least and largest value."""
        at = np.flatnonzero(self.low <= self.high)
        return (self.origin or 0) + at * self.step + self.step // 2, self.low[at], self.high[at]

    def points(self) -> tuple[Int64, Float64]:
        """The extremes themselves in the order of time, at most two of each step: int64[n] ns, float64[n]."""
        at = np.flatnonzero(self.low <= self.high)
        # Two sources may say different things of one moment.
        one = (self._low_at[at] == self._high_at[at]) & (self.low[at] == self.high[at])
        times = np.r_[self._low_at[at], self._high_at[at][~one]]
        values = np.r_[self.low[at], self.high[at][~one]]
        order = np.argsort(times, kind="stable")
        return times[order], values[order]
