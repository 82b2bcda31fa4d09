"""The readings of one series in a range of time: all of them while they are few, then the extremes of each step."""

from dataclasses import dataclass, field

import numpy as np

from contracts.instants import EARLIEST, LATEST
from contracts.readings import Float64, Int64

from .envelope import STEPS, Envelope

#: Readings that are kept until it is known where they begin and end; more are drawn over the whole range.
MOST = 200_000


@dataclass
class Trace:
    """Memory stays bounded however many readings there are.

    most    readings that are kept as they are
    steps   of the envelope that takes their place
    """

    span: tuple[int, int]
    most: int = MOST
    steps: int = STEPS
    count: int = 0
    _parts: list[tuple[Int64, Float64]] = field(default_factory=list)
    _kept: int = 0
    _whole: Envelope | None = None

    @property
    def raw(self) -> bool:
        """Whether every reading is still there."""
        return self._whole is None and self._kept == self.count

    def add(self, times: Int64, values: Float64, count: int | None = None) -> None:
        """Take in readings within the range: all there are, or the extremes of ``count`` readings."""
        self.count += len(times) if count is None else count
        if self._whole is not None:
            self._whole.add(times, values)
            return
        self._parts.append((times, values))
        self._kept += len(times)
        if self._kept > self.most:
            self._whole = self._drawn(Envelope(*self.span, self.steps))
            self._parts.clear()

    def bands(self) -> tuple[Int64, Float64, Float64]:
        """Times (ns) with least and largest value, one of each step."""
        if self._whole is not None:
            return self._whole.bands()
        first = min((int(times.min()) for times, _ in self._parts if len(times)), default=EARLIEST)
        last = max((int(times.max()) for times, _ in self._parts if len(times)), default=LATEST)
        return self._drawn(Envelope(first, last, self.steps)).bands()

    def points(self) -> tuple[Int64, Float64]:
        """Readings in the order of time, int64[n] ns and float64[n]: all, or the extremes of each step."""
        if self._whole is not None:
            return self._whole.points()
        if not self._parts:
            return np.zeros(0, np.int64), np.zeros(0)
        times = np.concatenate([times for times, _ in self._parts])
        values = np.concatenate([values for _, values in self._parts])
        order = np.lexsort((values, times))
        return times[order], values[order]

    def _drawn(self, curve: Envelope) -> Envelope:
        for times, values in self._parts:
            curve.add(times, values)
        return curve
