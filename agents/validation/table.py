"""One row of numbers per series: nothing here grows with the readings.

A series takes 1.2 kB here and in a snapshot, and at most 2 kB in memory with its name and the room to grow.
"""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
#: Accepted readings that are remembered per series, to tell repeated readings from late ones.
REMEMBERED = 64
#: The usual interval is taken anew from so many intervals.
BLOCK = 32
#: A series whose value changed so often has shown how long its runs of equal values are ...
LEARNED_CHANGES = 100
#: ... and one is suspicious that is so many times as long as any before, and at least LEARNED_RUN readings.
RUN_FACTOR = 10
LEARNED_RUN = 30
NONE = int(np.iinfo(np.int64).min)
LAST = int(np.iinfo(np.int64).max)
FIRST = 16


def column(blank: int = 0) -> Int:
    """A dataclass field that holds one integer per series."""
    return field(default_factory=lambda: np.full(FIRST, blank, np.int64), metadata={"blank": blank})


@dataclass(eq=False)
class Table:
    """Numbers per series, by the series' number; rows beyond the last series are blank."""

    newest: Int = column(NONE)
    """time of the newest accepted reading"""
    value: NDArray[np.float64] = field(default_factory=lambda: np.zeros(FIRST), metadata={"blank": 0})
    """its value"""
    total: Int = column()
    """accepted readings so far"""
    times: Int = field(default_factory=lambda: np.zeros((FIRST, REMEMBERED), np.int64), metadata={"blank": 0})
    """times of the last accepted readings in order of time; the k-th newest is at (total - k) % REMEMBERED"""
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((FIRST, REMEMBERED)), metadata={"blank": 0})
    """their values"""
    usual: Int = column()
    """usual interval, 0 while it is not known"""
    longest: Int = column()
    """longest interval that is normal"""
    run: Int = column()
    """equal values in a row, up to now"""
    run_since: Int = column()
    """time of the first of them"""
    run_record: Int = column()
    """most equal values in a row that were followed by another value"""
    changes: Int = column()
    """how often the value changed"""
    late: Int = column()
    """late readings in a row that only the newest reading makes late"""
    due: Int = column(LAST)
    """when the asset's watermark passes this, the series is stale"""
    seen: Int = column()
    """``elapsed`` when the series was last seen"""
    recent: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(FIRST, np.uint64), metadata={"blank": 0})
    """the last 64 readings, one bit each: 1 = rejected"""
    heard: Int = column(NONE)
    """time of the last accepted reading, in order of arrival"""
    refused: Int = column()
    """rejected readings since the open incident began"""
    group: Int = column()
    """number of the (source, asset) that first told of the series"""
    stale: Int = column(NONE)
    """since when an incident is open, of each kind"""
    stuck: Int = column(NONE)
    rejections: Int = column(NONE)

    def hold(self, count: int) -> None:
        """Make room for ``count`` series. The size follows from the count alone, whatever the steps were."""
        size = capacity(count)
        if size == len(self.newest):
            return
        for each in fields(self):
            old = getattr(self, each.name)
            new = np.full((size, *old.shape[1:]), each.metadata["blank"], old.dtype)
            new[: len(old)] = old
            setattr(self, each.name, new)


def capacity(count: int) -> int:
    """Rows that are kept for so many series; grows by halves, so that growing costs little per series."""
    size = FIRST
    while size < count:
        size += size // 2
    return size


def usual_intervals(times: Int) -> tuple[Int, Int]:
    """Of each row of BLOCK + 1 rising times: the median interval and the second longest one.

    One hole among the intervals moves neither.
    """
    # As unsigned numbers the differences of any two instants are exact.
    unsigned = times.view(np.uint64)
    steps = np.minimum(unsigned[:, 1:] - unsigned[:, :-1], np.uint64(2**60)).view(np.int64)
    steps.sort(axis=1)
    return steps[:, BLOCK // 2], steps[:, BLOCK - 2]
