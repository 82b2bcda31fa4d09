"""What the features of some readings are computed from: each reading sees its series up to itself."""

from typing import TYPE_CHECKING

import numpy as np

from .base import Flags, Floats, Ints
from .derived import HALF_BITS, REACH, Derived, Edges, bin_of
from .release import Arrivals
from .search import first_at_least
from .state import WindowsState
from .wide import Words, minus, plus, product, rounded, shifted

if TYPE_CHECKING:
    from .window import Window
    from .windows import Windows

Span = tuple[Ints, Ints]
CELLS = 1 << 18  # values of windows that are sorted in one go


class View:
    """Readings of one call, sorted by series, that stand in the rings already.

    times, values: of the readings, [n]. numbers: int64[n], theirs in their series. ttl: ns.
    """

    def __init__(
        self, state: WindowsState, derived: Derived, readings: Arrivals, numbers: Ints, definition: "Windows"
    ) -> None:
        rows = readings.rows
        self.times, self.values, self.numbers = readings.times, readings.values, numbers
        self.windows, self.ttl = definition.windows, definition.ttl
        self._state, self._derived = state, derived
        self._place, self._mask = state.place[rows], state.size[rows] - 1
        self._oldest = np.maximum(state.tail[rows], numbers + 1 - definition.max_readings)
        self._spans: dict[tuple[int, str], Span] = {}
        # Spans are kept above, so that the id of one is never another's.
        self._extremes: dict[int, tuple[Floats, Floats]] = {}

    def span(self, window: "Window") -> Span:
        """The first reading of each one's window and the one after its last, by number."""
        key = window.length, window.closed
        if key not in self._spans:
            begin = self.times - window.length + (0 if window.closed in ("left", "both") else 1)
            low = self._first(begin)
            high = self.numbers + 1 if window.closed in ("right", "both") else self._first(self.times)
            self._spans[key] = low, high
        return self._spans[key]

    def before(self, times: Ints) -> Ints:
        """The number of the last reading at or before each time; one less than the oldest where there is none."""
        return self._first(times + 1) - 1

    def known(self, numbers: Ints) -> Flags:
        """Whether readings of these numbers are kept."""
        out: Flags = (numbers >= self._oldest) & (numbers <= self.numbers)
        return out

    def value(self, numbers: Ints) -> Floats:
        """Values of kept readings, by number."""
        return self._state.value[self._at(numbers)]

    def time(self, numbers: Ints) -> Ints:
        """Event times of kept readings, ns."""
        return self._state.time[self._at(numbers)]

    def total(self, span: Span) -> Floats:
        """Sum of the values: exact in quanta, then rounded once."""
        units = self._between(span, 0).view(np.int64) - (span[1] - span[0]) * REACH
        out: Floats = units.astype(np.float64) * self._derived.needs.quantum
        return out

    def deviation(self, span: Span) -> Floats:
        """Standard deviation of the values (dividing by n): n sum(x^2) - sum(x)^2 is exact, what follows is rounded."""
        n = (span[1] - span[0]).astype(np.uint64)
        total, high, mixed, low = (self._between(span, column) for column in range(4))
        none = np.zeros(len(n), np.uint64)
        squares = plus(shifted((none, high), 2 * HALF_BITS), plus(shifted((none, mixed), HALF_BITS + 1), (none, low)))
        # n times a number of 110 bits: the high word is small enough for plain multiplication.
        carried, lower = product(squares[1], n)
        spread = minus((squares[0] * n + carried, lower), product(total, total))
        out: Floats = np.sqrt(rounded(spread)) / n * self._derived.needs.quantum
        return out

    def bins(self, span: Span, edges: Edges) -> Floats:
        """How many readings fell into each bin, float64[n, bins]."""
        begin = self._derived.needs.column_of(edges)
        end = begin + len(edges[0]) + 1
        sums = self._derived.sums
        out: Floats = (sums[self._at(span[1]), begin:end] - sums[self._at(span[0]), begin:end]).astype(np.float64)
        return out

    def bin(self, edges: Edges) -> Floats:
        """The bin of each reading itself."""
        return bin_of(self.values, *edges).astype(np.float64)

    def extremes(self, span: Span) -> tuple[Floats, Floats]:
        """The smallest and the largest value of windows that are not empty."""
        if id(span) not in self._extremes:
            table = self._derived.extremes
            if table is None:
                raise TypeError("a set without min, max and range has no extremes")
            self._extremes[id(span)] = table.of(self._state.value, (self._place, self._mask), span)
        return self._extremes[id(span)]

    def ranked(self, span: Span, shares: tuple[int, ...]) -> Floats:
        """The smallest value that so many ten-thousandths of the window do not exceed, float64[n, shares]."""
        low, count = span[0], span[1] - span[0]
        out = np.full((len(low), len(shares)), np.nan)
        step = max(CELLS // max(int(count.max(initial=0)), 1), 1)
        for top in range(0, len(low), step):
            at = slice(top, top + step)
            n = count[at, None]
            within = np.arange(int(n.max(initial=0)))
            if not len(within):
                continue
            numbers = low[at, None] + np.minimum(within, np.maximum(n - 1, 0))
            rings = self._place[at, None] + (numbers & self._mask[at, None])
            values = np.sort(np.where(within < n, self._state.value[rings], np.inf), axis=1)
            rank = np.maximum(-(-n * np.array(shares) // 10_000), 1) - 1
            out[at] = np.take_along_axis(values, rank, axis=1)
        return out

    def _first(self, times: Ints) -> Ints:
        """The first reading at or after each time, as a number; itself plus one where there is none."""
        return first_at_least(lambda at: self._state.time[self._at(at)], times, self._oldest, self.numbers + 1)

    def _at(self, numbers: Ints) -> Ints:
        out: Ints = self._place + (numbers & self._mask)
        return out

    def _between(self, span: Span, column: int) -> Words:
        sums = self._derived.sums[:, column]
        out: Words = sums[self._at(span[1])] - sums[self._at(span[0])]
        return out
