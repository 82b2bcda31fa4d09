"""Smallest and largest values of any run of readings: whole blocks from a table, both ends one by one."""

import numpy as np

from .base import Floats, Ints
from .state import WindowsState

BITS = 3
BLOCK = 1 << BITS
_ENDS = np.arange(BLOCK - 1)


class Extremes:
    """For each complete block of 8 readings the extremes of the 2^k blocks that end with it, float64[k, blocks].

    Rings are powers of two from 16 on, so that blocks never lie across their ends.
    """

    def __init__(self, state: WindowsState, largest: int) -> None:
        levels = max((largest >> BITS).bit_length(), 1)
        self.low, self.high = (np.zeros((levels, len(state.value) >> BITS)) for _ in range(2))

    def add(self, state: WindowsState, rows: Ints, numbers: Ints) -> None:
        """Go on with readings that stand in the rings."""
        full = numbers & (BLOCK - 1) == BLOCK - 1
        rows, numbers = rows[full], numbers[full]
        place, mask = state.place[rows], state.size[rows] - 1
        values = state.value[(place + ((numbers - BLOCK + 1) & mask))[:, None] + np.arange(BLOCK)]
        low, high = values.min(axis=1), values.max(axis=1)
        at = (place + (numbers & mask)) >> BITS
        self.low[0, at], self.high[0, at] = low, high
        for level in range(1, len(self.low)):
            # Where fewer blocks are there this reads something else, which no window will ask for.
            before = (place + ((numbers - (BLOCK << (level - 1))) & mask)) >> BITS
            low = np.minimum(low, self.low[level - 1, before])
            high = np.maximum(high, self.high[level - 1, before])
            self.low[level, at], self.high[level, at] = low, high

    def of(self, ring: Floats, at: tuple[Ints, Ints], span: tuple[Ints, Ints]) -> tuple[Floats, Floats]:
        """Extremes of the readings low .. high-1 of each span, which must not be empty: float64[n] each.

        at: where each one's ring begins, and its size less 1.
        """
        (place, mask), (low, high) = at, (span[0][:, None], span[1][:, None] - 1)
        ends = np.concatenate((np.minimum(low + _ENDS, high), np.maximum(high - _ENDS, low)), axis=1)
        values = ring[place[:, None] + (ends & mask[:, None])]
        least, most = values.min(axis=1), values.max(axis=1)
        first, last = (span[0] + BLOCK - 1) >> BITS, span[1] >> BITS
        some = np.flatnonzero(last > first)
        if len(some):
            first, last, place, mask = first[some], last[some], place[some], mask[some]
            _, exponent = np.frexp(last - first)
            level = exponent.astype(np.int64) - 1
            # Two overlapping runs of 2^level blocks are together all of them.
            one = (place + (((last - 1) << BITS) & mask)) >> BITS
            other = (place + (((first + (np.int64(1) << level) - 1) << BITS) & mask)) >> BITS
            least[some] = np.minimum(least[some], np.minimum(self.low[level, one], self.low[level, other]))
            most[some] = np.maximum(most[some], np.maximum(self.high[level, one], self.high[level, other]))
        return least, most
