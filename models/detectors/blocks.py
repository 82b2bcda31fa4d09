"""Mean, maximum and minimum of the last w readings, without running sums that lose precision.

Van Herk and Gil and Werman: the readings are cut into blocks of w. A window is the end of one block
and the beginning of the next, so one suffix value and one prefix value make the window's, whatever
its position. Sums start anew with each block and never take anything away, so a huge reading leaves
no rounding error behind, and the result does not depend on how batches are cut.

M. van Herk, A fast algorithm for local minimum and maximum filters, Pattern Recognition Letters 13
(1992) 517-521.
"""

import numpy as np

from .base import Floats, Ints, Key

WIDTHS = (16, 64, 256)
OFFSETS = (0, 17, 82)  # where the suffixes of each width begin: w + 1 of them, the last one empty
LENGTH = 339
WIDEST = WIDTHS[-1]
_LAST = np.array(WIDTHS) - 1
_NEXT = np.array(OFFSETS) + 1


def windows(block: Floats, prefix: Floats, suffix: Floats, key: Key, at: Ints, values: Floats) -> Floats:
    """Add one reading to each series of `key`; return float64[k, 3, 3]: (mean, max, min) by width.

    block: float64[n, 256], the readings since the last multiple of 256. prefix: float64[n, 3, 3] and
    suffix: float64[n, 3, 339], sums, maxima and minima. at: int64[k], readings seen before.
    Windows that reach back before the first reading hold that many readings fewer.
    """
    rows = np.arange(key.start, key.stop) if isinstance(key, slice) else key
    block[rows, at & (WIDEST - 1)] = values
    place = at[:, None] & _LAST
    v = values[:, None]
    fresh = place == 0
    before = prefix[key]
    after = np.empty_like(before)
    after[:, 0] = np.where(fresh, v, before[:, 0] + v)
    after[:, 1] = np.where(fresh, v, np.maximum(before[:, 1], v))
    after[:, 2] = np.where(fresh, v, np.minimum(before[:, 2], v))
    prefix[key] = after
    out = np.empty_like(before)
    where = rows[:, None] * (3 * LENGTH) + (place + _NEXT)
    flat = suffix.reshape(-1)
    out[:, 0] = (flat.take(where) + after[:, 0]) / (_LAST + 1)
    out[:, 1] = np.maximum(flat.take(where + LENGTH), after[:, 1])
    out[:, 2] = np.minimum(flat.take(where + 2 * LENGTH), after[:, 2])
    for j, width in enumerate(WIDTHS):
        done = np.flatnonzero(place[:, j] == width - 1)
        if len(done):
            _close(block, suffix, rows[done], at[done], j)
    return out


def _close(block: Floats, suffix: Floats, rows: Ints, at: Ints, j: int) -> None:
    """A block of width WIDTHS[j] is full: store its sums, maxima and minima from each place to its end."""
    width, first = WIDTHS[j], OFFSETS[j]
    start = (at & (WIDEST - 1)) - (width - 1)
    back = block[rows[:, None], start[:, None] + np.arange(width - 1, -1, -1)]
    span = slice(first, first + width)
    suffix[rows, 0, span] = np.add.accumulate(back, axis=1)[:, ::-1]
    suffix[rows, 1, span] = np.maximum.accumulate(back, axis=1)[:, ::-1]
    suffix[rows, 2, span] = np.minimum.accumulate(back, axis=1)[:, ::-1]
