"""Mean, maximum and minimum of the last w readings, without running sums that lose precision.

Van Herk and Gil and Werman: the readings are cut into blocks of w. A window is the end of one block
and the beginning of the next, so one suffix value and one prefix value make the window's, whatever
its position. Sums start anew with each block and never take anything away, so a huge reading leaves
no rounding error behind, and the result does not depend on how batches are cut.

M. van Herk, A fast algorithm for local minimum and maximum filters, Pattern Recognition Letters 13
(1992) 517-521.
"""

from dataclasses import dataclass

import numpy as np

from .base import Floats, Ints, Key, State, column

WIDTHS = (16, 64, 256)
OFFSETS = (0, 17, 82)  # where the suffixes of each width begin: w + 1 of them, the last one empty
LENGTH = 339
WIDEST = WIDTHS[-1]
_LAST = np.array(WIDTHS) - 1
_NEXT = np.array(OFFSETS) + 1


@dataclass
class Blocks(State):
    """The current block of 256, and sums, maxima and minima of prefixes and suffixes by width: 10 KB."""

    block: Floats = column()
    head_sum: Floats = column()
    head_max: Floats = column(-np.inf)
    head_min: Floats = column(np.inf)
    tail_sum: Floats = column()
    tail_max: Floats = column(-np.inf)
    tail_min: Floats = column(np.inf)


def empty() -> dict[str, Floats]:
    """Arrays for zero series."""
    head, tail = np.empty((0, 3)), np.empty((0, LENGTH))
    return {
        "block": np.empty((0, WIDEST)),
        "head_sum": head, "head_max": head, "head_min": head,
        "tail_sum": tail, "tail_max": tail, "tail_min": tail,
    }  # fmt: skip


def windows(state: Blocks, key: Key, at: Ints, values: Floats) -> Floats:
    """Add one reading to each series of `key`; return float64[k, 3, 3]: (mean, max, min) by width.

    at: int64[k], readings seen before. Until a window is full its maximum and minimum are those of the
    readings there are, and its mean is not defined.
    """
    rows = np.arange(key.start, key.stop) if isinstance(key, slice) else key
    state.block[rows, at & (WIDEST - 1)] = values
    place = at[:, None] & _LAST
    v = values[:, None]
    fresh = place == 0
    head_sum = state.head_sum[key] = np.where(fresh, v, state.head_sum[key] + v)
    head_max = state.head_max[key] = np.where(fresh, v, np.maximum(state.head_max[key], v))
    head_min = state.head_min[key] = np.where(fresh, v, np.minimum(state.head_min[key], v))
    out = np.empty((len(rows), 3, 3))
    tail = rows[:, None] * LENGTH + (place + _NEXT)
    out[:, 0] = (state.tail_sum.reshape(-1).take(tail) + head_sum) / (_LAST + 1)
    out[:, 1] = np.maximum(state.tail_max.reshape(-1).take(tail), head_max)
    out[:, 2] = np.minimum(state.tail_min.reshape(-1).take(tail), head_min)
    for j, width in enumerate(WIDTHS):
        done = np.flatnonzero(place[:, j] == width - 1)
        if len(done):
            _close(state, rows[done], at[done], j)
    return out


def _close(state: Blocks, rows: Ints, at: Ints, j: int) -> None:
    """A block of width WIDTHS[j] is full: store its sums, maxima and minima from each place to its end."""
    width, first = WIDTHS[j], OFFSETS[j]
    start = (at & (WIDEST - 1)) - (width - 1)
    back = state.block[rows[:, None], start[:, None] + np.arange(width - 1, -1, -1)]
    span = slice(first, first + width)
    state.tail_sum[rows, span] = np.add.accumulate(back, axis=1)[:, ::-1]
    state.tail_max[rows, span] = np.maximum.accumulate(back, axis=1)[:, ::-1]
    state.tail_min[rows, span] = np.minimum.accumulate(back, axis=1)[:, ::-1]
