"""What is computed from the rings so that a window of any length costs the same: running sums and partial extremes.

Running sums are integers that wrap around. The difference of two is the exact sum in between, wherever the running
began: so they need not be saved, and no rounding can pile up in them.
"""

from dataclasses import dataclass

import numpy as np

from .base import Floats, Ints
from .extremes import Extremes
from .search import starts
from .state import WindowsState
from .wide import Words

#: Of a value in quanta, so that squares of 65,536 readings fit: its size, and how many of its bits are its low half.
REACH_BITS, HALF_BITS = 46, 23
REACH = 1 << REACH_BITS
Edges = tuple[tuple[float, ...], str]


def bin_of(values: Floats, edges: tuple[float, ...], closed: str) -> Ints:
    """Number of the bin of each value: 0 below all edges, len(edges) above; a value on an edge goes as ``closed`` says.

    ``left``: bins are [a, b), so it opens the upper one. ``right``: (a, b], so it closes the lower one.
    """
    out: Ints = np.searchsorted(np.array(edges), values, side="right" if closed == "left" else "left")
    return out


@dataclass(frozen=True)
class Needs:
    """What the features of a set need beside the readings; ``quantum`` is the unit of the sums."""

    quantum: float
    sums: bool
    squares: bool
    extremes: bool
    edges: tuple[Edges, ...]

    @property
    def columns(self) -> int:
        """Running sums for each reading."""
        return self.sums + 3 * self.squares + sum(len(edges) + 1 for edges, _ in self.edges)

    def column_of(self, edges: Edges) -> int:
        """Where the counts of these bins begin."""
        before = self.edges[: self.edges.index(edges)]
        return self.sums + 3 * self.squares + sum(len(each) + 1 for each, _ in before)

    def parts(self, values: Floats) -> Words:
        """What each reading adds to the running sums, uint64[n, columns]."""
        out = np.zeros((len(values), self.columns), np.uint64)
        if self.sums:
            # Counted from -REACH, where nothing is negative; neither means nor spreads mind.
            units = (np.rint(values / self.quantum).astype(np.int64) + REACH).astype(np.uint64)
            out[:, 0] = units
            if self.squares:
                high, low = units >> np.uint64(HALF_BITS), units & np.uint64((1 << HALF_BITS) - 1)
                out[:, 1], out[:, 2], out[:, 3] = high * high, high * low, low * low
        for edges in self.edges:
            out[np.arange(len(values)), self.column_of(edges) + bin_of(values, *edges)] = 1
        return out


class Derived:
    """Running sums before each reading, in the places of the rings, and extremes."""

    def __init__(self, state: WindowsState, needs: Needs) -> None:
        self.needs = needs
        self.ring = state.value
        self.largest = int(state.size.max(initial=1))
        self.sums = np.zeros((len(state.value), needs.columns), np.uint64)
        self.extremes = Extremes(state, self.largest) if needs.extremes else None
        self.all_of(state, np.arange(len(state.count)))

    def fits(self, state: WindowsState) -> bool:
        """Whether this belongs to the rings of a state as it is now."""
        return self.ring is state.value and int(state.size.max(initial=1)) <= self.largest

    def all_of(self, state: WindowsState, rows: Ints) -> None:
        """Compute it for all that the rings of these series hold; what was summed before does not matter."""
        kept = state.count[rows] - state.tail[rows]
        begin = np.cumsum(kept) - kept
        each = np.repeat(rows, kept)
        self.add(state, each, state.tail[each] + np.arange(len(each)) - np.repeat(begin, kept))

    def add(self, state: WindowsState, rows: Ints, numbers: Ints) -> None:
        """Go on with readings that stand in the rings: rows sorted, numbers rising without holes in each."""
        if self.extremes is not None:
            self.extremes.add(state, rows, numbers)
        if not self.needs.columns or not len(rows):
            return
        place, mask = state.place[rows], state.size[rows] - 1
        at = place + (numbers & mask)
        parts = self.needs.parts(self.ring[at])
        upto = np.cumsum(parts, axis=0)
        first = np.flatnonzero(starts(rows))
        base = self.sums[at[first]] + parts[first] - upto[first]
        count = np.diff(np.append(first, len(rows)))
        self.sums[place + ((numbers + 1) & mask)] = upto + np.repeat(base, count, axis=0)
