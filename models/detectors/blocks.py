"""Mean, maximum and minimum of the last 16, 64 and 256 readings, without running sums that lose precision.

After van Herk and Gil and Werman: the readings are cut into blocks of 16. A window is the end of one
block, some whole blocks, and the beginning of the current one, so three stored values make the
window's, whatever its position. Sums start anew with each block and never take anything away, so a
huge reading leaves no rounding error behind, and the result does not depend on how batches are cut.
Each step does the same small work, save a little more when a block ends.

M. van Herk, A fast algorithm for local minimum and maximum filters, Pattern Recognition Letters 13
(1992) 517-521.
"""

from dataclasses import dataclass

import numpy as np

from .base import Floats, Ints, Key, State, as_rows, column

WIDTHS = (16, 64, 256)
SIZE = 16  # readings in a block
SLOTS = 16  # blocks remembered: as many as the widest window needs
_STRIDE = SIZE + 1  # the ends of a block, the last one empty
_BACK = np.array([1, 4, 16])  # blocks from the current one to the one a window begins in
_WIDTHS = np.array(WIDTHS, np.float64)


@dataclass
class Blocks(State):
    """The current block, and sums, maxima and minima of its beginning, of ends, and of whole blocks: 7 KB."""

    block: Floats = column()
    head_sum: Floats = column()
    head_max: Floats = column(-np.inf)
    head_min: Floats = column(np.inf)
    tail_sum: Floats = column()
    tail_max: Floats = column(-np.inf)
    tail_min: Floats = column(np.inf)
    whole_sum: Floats = column()
    whole_max: Floats = column(-np.inf)
    whole_min: Floats = column(np.inf)


def empty() -> dict[str, Floats]:
    """Arrays for zero series."""
    head, tail, whole = np.empty(0), np.empty((0, SLOTS * _STRIDE)), np.empty((0, 3))
    return {
        "block": np.empty((0, SIZE)),
        "head_sum": head, "head_max": head, "head_min": head,
        "tail_sum": tail, "tail_max": tail, "tail_min": tail,
        "whole_sum": whole, "whole_max": whole, "whole_min": whole,
    }  # fmt: skip


def windows(state: Blocks, key: Key, at: Ints, values: Floats) -> Floats:
    """Add one reading to each series of `key`; return float64[k, 3, 3]: (mean, max, min) by width.

    at: int64[k], readings seen before. Until a window is full its maximum and minimum are those of the
    readings there are, and its mean is not defined.
    """
    rows = as_rows(key)
    place = at & (SIZE - 1)
    fresh = place == 0
    state.block[rows, place] = values
    total = state.head_sum[key] = np.where(fresh, values, state.head_sum[key] + values)
    above = state.head_max[key] = np.where(fresh, values, np.maximum(state.head_max[key], values))
    below = state.head_min[key] = np.where(fresh, values, np.minimum(state.head_min[key], values))
    first = ((at // SIZE)[:, None] - _BACK) & (SLOTS - 1)
    tail = (rows * (SLOTS * _STRIDE) + (place + 1))[:, None] + first * _STRIDE
    out = np.empty((len(rows), 3, 3))
    sums = state.tail_sum.reshape(-1).take(tail) + state.whole_sum[key] + total[:, None]
    out[:, 0] = sums / _WIDTHS
    most = np.maximum(state.tail_max.reshape(-1).take(tail), state.whole_max[key])
    out[:, 1] = np.maximum(most, above[:, None])
    least = np.minimum(state.tail_min.reshape(-1).take(tail), state.whole_min[key])
    out[:, 2] = np.minimum(least, below[:, None])
    done = np.flatnonzero(place == SIZE - 1)
    if len(done):
        _close(state, rows[done], at[done] // SIZE)
    return out


def _close(state: Blocks, rows: Ints, number: Ints) -> None:
    """A block is full: store what its ends amount to, and sum up the whole blocks of the next windows."""
    back = state.block[rows, ::-1]
    spot = (number & (SLOTS - 1))[:, None] * _STRIDE + np.arange(SIZE - 1, -1, -1)
    each = rows[:, None]
    state.tail_sum[each, spot] = np.add.accumulate(back, axis=1)
    state.tail_max[each, spot] = np.maximum.accumulate(back, axis=1)
    state.tail_min[each, spot] = np.minimum.accumulate(back, axis=1)
    # From the newest block backwards: 3 whole blocks of a window of 64, 15 of one of 256.
    past = ((number[:, None] - np.arange(SLOTS - 1)) & (SLOTS - 1)) * _STRIDE
    sums = np.add.accumulate(state.tail_sum[each, past], axis=1)
    most = np.maximum.accumulate(state.tail_max[each, past], axis=1)
    least = np.minimum.accumulate(state.tail_min[each, past], axis=1)
    for j, whole in ((1, 2), (2, 14)):
        state.whole_sum[rows, j] = sums[:, whole]
        state.whole_max[rows, j] = most[:, whole]
        state.whole_min[rows, j] = least[:, whole]
