"""Faults that are planted into readings, so that detectors can be compared where nobody labelled anything.

    spike   one reading off by 8 times the spread of the series
    step    readings off by 4 times the spread
    noise   noise with 3 times the spread on top
    stuck   the same value again and again

Each chosen series gets one of each in the part that is compared on, in an order and at times that follow from the
seed and its name. Values between and long after them stay as they were.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .hashing import hashed, normal, seed_of
from .rows import Rows
from .split import Split

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FAULTS = ("spike", "step", "noise", "stuck")
SPIKE, STEP, NOISE = 8.0, 4.0, 3.0
#: A fault begins in the second quarter of its fourth of the part, and lasts a sixteenth of it.
_BEGINS, _LASTS = 4, 16


@dataclass(frozen=True)
class Schedule:
    """The faults of one series: kind -> begin and end (not included), event time in ns."""

    windows: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, name: str, split: Split, seed: int) -> "Schedule":
        """When which fault happens to a series."""
        own = seed_of("faults", seed, name)
        words = hashed(np.arange(2 * len(FAULTS)), own).tolist()
        order = sorted(range(len(FAULTS)), key=lambda number: (words[number], number))
        length = (split.until - split.compare_from) // len(FAULTS)
        windows = {}
        for place, number in enumerate(order):
            begin = split.compare_from + place * length + length // _BEGINS
            begin += words[len(FAULTS) + number] % max(length // _BEGINS, 1)
            windows[FAULTS[number]] = (begin, begin + max(length // _LASTS, 1))
        return cls(windows)


@dataclass
class Planting:
    """Plants the faults of some series into the rows of one partition.

    schedules  number of a series -> its faults
    spreads    number of a series -> the spread of its values, more than 0
    """

    seed: int
    names: dict[int, str]
    schedules: dict[int, Schedule]
    spreads: dict[int, float]
    _last: dict[int, float] = field(default_factory=dict)
    _held: dict[int, float] = field(default_factory=dict)
    _spiked: set[int] = field(default_factory=set)

    def plant(self, rows: Rows) -> tuple[Floats, Ints]:
        """The values with faults in them, float64[n], and the number of the fault in ``FAULTS`` or -1, int64[n]."""
        values, kinds = rows.values.copy(), np.full(len(rows), -1, np.int64)
        for row in np.unique(rows.rows).tolist():
            if row in self.schedules:
                self._plant(row, np.flatnonzero(rows.rows == row), rows, values, kinds)
        return values, kinds

    def _plant(self, row: int, at: NDArray[np.intp], rows: Rows, values: Floats, kinds: Ints) -> None:
        spread, times = self.spreads[row], rows.times[at]
        sign = 1.0 if hashed(np.array([0]), seed_of("sign", self.seed, self.names[row]))[0] & np.uint64(1) else -1.0
        for kind, (begin, end) in self.schedules[row].windows.items():
            inside = at[(times >= begin) & (times < end)]
            if kind == "spike":
                inside = inside[: 0 if row in self._spiked else 1]
                self._spiked.update([row] if len(inside) else [])
            if not len(inside):
                continue
            kinds[inside] = FAULTS.index(kind)
            if kind == "stuck":
                # What came last before it stuck; what stuck from its very beginning holds its first value.
                before = at[at < inside[0]]
                last = float(rows.values[before[-1]]) if len(before) else self._last.get(row, rows.values[inside[0]])
                values[inside] = self._held.setdefault(row, float(last))
            elif kind == "noise":
                noise = normal(rows.times[inside], seed_of("noise", self.seed, self.names[row]))
                values[inside] += NOISE * spread * noise
            else:
                values[inside] += sign * (SPIKE if kind == "spike" else STEP) * spread
        self._last[row] = float(rows.values[at[-1]])
