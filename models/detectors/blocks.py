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
from typing import Any

import numpy as np

from .base import Floats, Ints, Key, State, as_rows, column

WIDTHS = (16, 64, 256)
SIZE = 16  # readings in a block
SLOTS = 16  # blocks remembered: as many as the widest window needs
_STRIDE = SIZE + 1  # the ends of a block, the last one empty
_BACK = np.array([1, 4, 16])  # blocks from the current one to the one a window begins in
_WIDTHS = np.array(WIDTHS, np.float64)
_NEWEST_FIRST = np.arange(SIZE - 1, -1, -1)[:, None]
_BLOCKS_AGO = np.arange(SLOTS - 1)[:, None]


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


def empty() -> dict[str, Any]:
    """Arrays for zero series."""
    head, tail, whole = np.empty(0), np.empty((0, SLOTS * _STRIDE)), np.empty((0, 3))
    return {
        "block": np.empty((0, SIZE)),
        "head_sum": head, "head_max": head, "head_min": head,
        "tail_sum": tail, "tail_max": tail, "tail_min": tail,
        "whole_sum": whole, "whole_max": whole, "whole_min": whole,
    }  # fmt: skip


def windows(state: Blocks, key: Key, at: Ints, values: Floats, out: Floats | None = None) -> Floats:
    """Add one reading to each series of `key`; return out, float64[k, 3, 3]: (mean, max, min) by width.

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
    out = np.empty((len(rows), 3, 3)) if out is None else out
    sums = state.tail_sum.reshape(-1).take(tail) + state.whole_sum[key] + total[:, None]
    np.divide(sums, _WIDTHS, out=out[:, 0])
    most = np.maximum(state.tail_max.reshape(-1).take(tail), state.whole_max[key])
    np.maximum(most, above[:, None], out=out[:, 1])
    least = np.minimum(state.tail_min.reshape(-1).take(tail), state.whole_min[key])
    np.minimum(least, below[:, None], out=out[:, 2])
    done = np.flatnonzero(place == SIZE - 1)
    if len(done):
        _close(state, rows[done], at[done] // SIZE)
    return out


def stretch(state: Blocks, key: Key, at: Ints, values: Floats) -> Floats:
    """The same as `windows` for t readings of each series: float64[t, k, 3, 3] from float64[t, k].

    All blocks that the stretch touches are worked on at once, aligned so that row 0 begins a block.
    """
    t, k = values.shape
    if t < SIZE:
        few = np.empty((t, k, 3, 3))
        for i in range(t):
            windows(state, key, at + i, values[i], few[i])
        return few
    rows, place = as_rows(key), at & (SIZE - 1)
    count = (int(place.max()) + t + SIZE - 1) // SIZE
    spot = (place + np.arange(t)[:, None]) * k + np.arange(k)
    aligned = np.zeros((count * SIZE, k))
    aligned[:SIZE] = state.block[rows].T
    aligned.reshape(-1)[spot] = values
    ended = (place + t) // SIZE
    newest = np.arange(max(0, t - SIZE), t)[:, None]
    state.block[rows, (at + newest) & (SIZE - 1)] = values[newest[:, 0]]
    out = np.empty((t, k, 3, 3))
    for i, (ufunc, name) in enumerate(((np.add, "sum"), (np.maximum, "max"), (np.minimum, "min"))):
        found = _aligned(state, name, ufunc, rows, at // SIZE, ended, aligned.reshape(count, SIZE, k))
        getattr(state, f"head_{name}")[rows] = found[3].take(spot[-1])
        for j in range(3):
            out[:, :, i, j] = found[j].take(spot)
    out[:, :, 0] /= _WIDTHS
    return out


def _aligned(
    state: Blocks, name: str, ufunc: np.ufunc, rows: Ints, number: Ints, ended: Ints, blocks: Floats
) -> list[Floats]:
    """Window values for each place of each block [count, 16, k], by width, and those of block beginnings.

    number: of the first block; ended: how many of the blocks are full. Their ends are stored.
    """
    count, _, k = blocks.shape
    tail = getattr(state, f"tail_{name}").reshape(-1, SLOTS, _STRIDE)
    whole = getattr(state, f"whole_{name}")
    past = (number - np.arange(SLOTS, 0, -1)[:, None]) & (SLOTS - 1)
    ends = np.concatenate((np.moveaxis(tail[rows, past], 2, 1), np.empty((count, _STRIDE, k))))
    ends[SLOTS:, SIZE] = ends[0, SIZE]
    by_place = blocks.swapaxes(0, 1)
    ends[SLOTS:, SIZE - 1 :: -1] = running(ufunc, by_place[::-1].copy()).swapaxes(0, 1)
    head = np.ascontiguousarray(running(ufunc, by_place.copy()).swapaxes(0, 1))
    # Whole blocks between the one a window begins in and the current one, the newest first.
    ago = np.arange(SLOTS - 1, 0, -1)[:, None]
    middle = running(ufunc, ends[ago + np.arange(count + 1), 0])
    moved = np.flatnonzero(ended)
    whole[rows[moved], 1] = middle[2, ended[moved], moved]
    whole[rows[moved], 2] = middle[14, ended[moved], moved]
    between = (whole[rows, 0], middle[2, :count, None], middle[14, :count, None])
    out = [
        ufunc(ufunc(ends[SLOTS - back : SLOTS - back + count, 1:], blocks_between), head)
        for back, blocks_between in zip((1, 4, 16), between, strict=True)
    ]
    nth = np.arange(count)[:, None]
    b, j = np.nonzero((ended > nth) & (ended <= nth + SLOTS))
    tail[rows[j], (number[j] + b) & (SLOTS - 1)] = ends[SLOTS + b, :, j]
    return [*out, head]


def _close(state: Blocks, rows: Ints, number: Ints) -> None:
    """A block is full: store what its ends amount to, and sum up the whole blocks of the next windows."""
    start = rows * (SLOTS * _STRIDE)
    ends = start + (number & (SLOTS - 1)) * _STRIDE + _NEWEST_FIRST
    # From the newest block backwards: 3 whole blocks of a window of 64, 15 of one of 256.
    past = start + ((number - _BLOCKS_AGO) & (SLOTS - 1)) * _STRIDE
    readings = state.block.reshape(-1).take(rows * SIZE + _NEWEST_FIRST)
    for ufunc, tail, whole in (
        (np.add, state.tail_sum, state.whole_sum),
        (np.maximum, state.tail_max, state.whole_max),
        (np.minimum, state.tail_min, state.whole_min),
    ):
        flat = tail.reshape(-1)
        flat[ends] = running(ufunc, readings.copy())
        blocks = running(ufunc, flat.take(past))
        whole[rows, 1] = blocks[2]
        whole[rows, 2] = blocks[14]


def running(ufunc: np.ufunc, values: Floats) -> Floats:
    """`ufunc.accumulate` along the first axis, in place when there is much: a row at a time is then faster."""
    if values[0].size < 100:
        few: Floats = ufunc.accumulate(values, axis=0)
        return few
    for i in range(1, len(values)):
        ufunc(values[i - 1], values[i], out=values[i])
    return values
