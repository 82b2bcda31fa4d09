"""Readings of one partition as numbered rows: what a training reads, reading by reading, whatever the batches."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Readings

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """n readings in arrival order: number of the series, event time in ns, value, ordinal in the stream."""

    rows: Ints
    times: Ints
    values: Floats
    ordinals: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, chosen: NDArray[np.intp]) -> "Rows":
        """Some of them, in the given order."""
        return Rows(self.rows[chosen], self.times[chosen], self.values[chosen], self.ordinals[chosen])


@dataclass
class Numbering:
    """Gives series their numbers by first appearance, and leaves out what is not asked for.

    covers   whether a series (asset, channel) is asked for
    since    first event time that counts, ns
    until    last event time that counts, ns
    """

    covers: Callable[[str, str], bool]
    since: int
    until: int
    numbers: dict[str, int] = field(default_factory=dict)

    def take(self, readings: Readings) -> Rows:
        """The readings that count."""
        asked = np.array([self.covers(each.asset, each.channel) for each in readings.series], np.bool_)
        ours = asked[readings.code] & (readings.time >= self.since) & (readings.time <= self.until)
        at = np.flatnonzero(ours)
        code = readings.code[at]
        table = np.zeros(len(readings.series), np.int64)
        codes, first = np.unique(code, return_index=True)
        for number in codes[np.argsort(first)].tolist():
            table[number] = self.numbers.setdefault(readings.series[number].name, len(self.numbers))
        return Rows(table[code], readings.time[at], readings.value[at], readings.first + at)
