"""Ranks of readings among a reference and the current epoch, exact and in little memory.

The reference's residuals are kept as at most ``KNOTS`` of their own order statistics, every one in the
tails and evenly spread in the middle. Knots cut the line into classes: class 2i is the open interval before
knot i, class 2i+1 is the knot itself. A new reading is told by its class; among the readings of its class
it ranks at random. Under exchangeability that random rank has exactly the law of the true one, so nothing
is lost but the order within about 0.1 % of the mass (conformal p-values with ties: Vovk, Gammerman &
Shafer, "Algorithmic Learning in a Random World", 2nd ed., 2022, ch. 2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .words import F64, I64, Rows

KNOTS = 1023
CLASSES = 2 * KNOTS + 1  # 2047; rows are padded to 2048
BLOCK = 32  # classes per block of the two-level counts
BLOCKS = 64
SPREAD = 4e6  # distance between the keys of two operating states
FAR = 1e6  # residuals are clipped here
# Row i has ones before place i.
_BEFORE = np.tri(BLOCK, k=-1, dtype=np.uint16)
_AHEAD = np.tri(BLOCKS, k=-1, dtype=np.uint16)
_DENSE = 24  # readings of a series from which on summing all its classes is cheaper than a block for each


@dataclass(frozen=True)
class Knots:
    """``at``: float64[KNOTS+1], padded with +inf; ``below``: int32[CLASSES+2], how many reference residuals
    lie in lower classes; ``first``: int32[states+1], where the classes of each operating state start.
    """

    at: F64
    below: I64
    first: I64


def keys(residual: F64, state: I64) -> F64:
    """One number per reading that sorts by operating state first, then by residual."""
    out: F64 = np.clip(residual, -FAR, FAR) + SPREAD * state
    return out


def tie_knots(key: F64, state: I64, states: int) -> Knots:
    """Knots of the reference. ``key``: float64[n] from ``keys``; ``state``: int64[n] in 0..states-1."""
    chosen, first = [], [0]
    for s in range(states):
        mine = np.sort(key[state == s])
        room = KNOTS if states == 1 else int((KNOTS - states) * len(mine) / len(key))
        chosen.append(_choose(mine, max(room, 2)))
        # An empty knot keeps the top of one state apart from the bottom of the next.
        chosen.append(np.array([SPREAD * (s + 0.5)])[: states - 1 - s])
        first.append(2 * sum(map(len, chosen)))
    at = np.concatenate(chosen)
    ordered = np.sort(key)
    below = np.empty(2 * len(at) + 1, np.int64)
    below[0] = 0
    below[1::2] = np.searchsorted(ordered, at, "left")
    below[2::2] = np.searchsorted(ordered, at, "right")
    full = np.full(CLASSES + 2, len(key), np.int64)
    full[: len(below)] = below
    padded = np.full(KNOTS + 1, np.inf)
    padded[: len(at)] = at
    return Knots(at=padded, below=full, first=np.array([*first[:-1], CLASSES + 1], np.int64))


def _choose(ordered: F64, room: int) -> F64:
    distinct = np.unique(ordered)
    if len(distinct) <= room:
        return distinct
    gaps, half = [0], room // 2
    # Steps grow from 1 at the ends until the half fits; the growth is found by trial.
    for growth in (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08):
        gaps = [0]
        while gaps[-1] < len(ordered) // 2:
            gaps.append(gaps[-1] + max(1, int(gaps[-1] * growth)))
        if len(gaps) <= half:
            break
    left = np.array(gaps[:-1], np.int64)
    if len(gaps) > half:
        left = np.linspace(0, len(ordered) // 2, half, endpoint=False).astype(np.int64)
    return np.unique(ordered[np.concatenate([left, len(ordered) - 1 - left])])


def classes_of(at: F64, rows: Rows, key: F64) -> I64:
    """Class of every reading. ``at``: float64[series, KNOTS+1]; ``rows``: int64[k]; ``key``: float64[k, t],
    finite.
    """
    if key.shape[1] > key.shape[0]:
        found = np.empty(key.shape, np.int64)
        for i, row in enumerate(rows.number):
            found[i] = np.searchsorted(at[row], key[i], "left")
    else:
        found = _bisect(at, rows, key)
    exact = at.reshape(-1).take(found + (rows.number * (KNOTS + 1))[:, None]) == key
    out: I64 = 2 * found + exact
    return out


def _bisect(at: F64, rows: Rows, key: F64) -> I64:
    """``searchsorted`` in a row of its own for each series, all series at once."""
    flat = at.reshape(-1)
    start = (rows.number * (KNOTS + 1))[:, None]
    found = start + np.zeros(key.shape, np.int64)
    step = (KNOTS + 1) // 2
    while step:
        found += step * (flat.take(found + (step - 1)) < key)
        step //= 2
    return found - start


def counted_below(fine: NDArray[np.uint16], coarse: NDArray[np.uint16], rows: Rows, cls: I64) -> tuple[I64, I64]:
    """Readings of the epoch in lower classes, and in the same class.

    ``fine``: uint16[series, 2048] counts by class; ``coarse``: uint16[series, BLOCKS] counts by block;
    ``cls``: int64[k, t].
    """
    width = fine.shape[1]
    same = fine.reshape(-1).take(cls + (rows.number * width)[:, None]).astype(np.int64)
    if cls.shape[1] > _DENSE:
        total = np.cumsum(fine[rows.at], axis=1, dtype=np.int64)
        return np.take_along_axis(total, cls, axis=1) - same, same
    block = cls // BLOCK
    # Counts of an epoch fit 16 bits, and so do their sums.
    if cls.shape[1] == 1:
        low: I64 = np.einsum("ik,ik->i", coarse[rows.at], _AHEAD.take(block[:, 0], axis=0)).astype(np.int64)[:, None]
    else:
        ahead = np.cumsum(coarse[rows.at], axis=1, dtype=np.uint16) - coarse[rows.at]
        low = np.take_along_axis(ahead, block, axis=1).astype(np.int64)
    mine = fine.reshape(-1, BLOCK).take(block + (rows.number * BLOCKS)[:, None], axis=0)
    low += np.einsum("ijk,ijk->ij", mine, _BEFORE.take(cls % BLOCK, axis=0))
    return low, same


def earlier(cls: I64) -> tuple[I64, I64]:
    """For each reading of a block, how many earlier ones of the same row are in lower classes, and in the
    same.
    """
    k, t = cls.shape
    if t == 1:
        return np.zeros((k, 1), np.int64), np.zeros((k, 1), np.int64)
    before = np.tri(t, k=-1, dtype=np.bool_)
    lower = (cls[:, None, :] < cls[:, :, None]) & before
    equal = (cls[:, None, :] == cls[:, :, None]) & before
    return lower.sum(axis=2, dtype=np.int64), equal.sum(axis=2, dtype=np.int64)
