"""The rank of each reading among its reference and its epoch, and what every bet makes of it.

Ranks are taken within an operating state: in a sequence of states, the readings of one state are exchangeable
with the reference's readings of that state, however often and for how long the machine is in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bets import BETS, DEPENDENCE, FLOOR, LEVELS, RECORDS, SLOTS, Book
from .chance import uniform
from .knots import classes_of, counted_below, earlier, keys
from .residuals import Residuals
from .state import State
from .words import F64, I64, Bools, Rows

RECORD_SHARE = 0.0035  # of readings beyond either end of the reference, once tails have grown


@dataclass(frozen=True)
class Ranks:
    """For k series and t readings. ``tested``: bool[k, t], whether a rank was taken; ``classes``: int64[k, t], see
    knots; ``cells``: int64[k, t], of the random rank; ``known``: int64[k, t], of the rank among the reference alone, by
    which a change is named: an epoch that has changed dilutes its own ranks; ``gains``: float64[k, t, BETS]; ``tally``:
    int32[k, t, 3], what the reading adds to the counts of its operating state: one, whether above all the reference,
    whether below.
    """

    tested: Bools
    classes: I64
    cells: I64
    known: I64
    gains: F64
    tally: NDArray[np.int32]


@dataclass(frozen=True)
class _Section:
    """The operating state's part of reference and epoch, for each reading. int64[k, t]: ``start`` and ``size`` in the
    reference; ``under``: the epoch's readings of lower states; ``mine``, ``above``, ``below``: those of this state,
    and how many of them lie beyond the reference at either end.
    """

    start: I64
    size: I64
    under: I64
    mine: I64
    above: I64
    below: I64
    tally: NDArray[np.int32]


def rank(state: State, rows: Rows, found: Residuals, live: Bools, book: Book) -> Ranks:
    """Random ranks of the residuals ``found`` of the series that are ``live`` (bool[k]); changes nothing."""
    t = found.value.shape[1]
    tested = np.isfinite(found.value) & ~found.cold & live[:, None]
    key = keys(np.where(tested, found.value, 0.0), found.state)
    classes = np.where(tested, classes_of(state.knots, rows, key), -1 - np.arange(t))
    plain = np.maximum(classes, 0)
    low, same = counted_below(state.fine, state.coarse, rows, plain)
    sooner, equal = earlier(classes)
    flat = state.below.reshape(-1)
    at = plain + (rows.number * state.below.shape[1])[:, None]
    base, above = flat.take(at), flat.take(at + 1)
    part = _section(state, rows, found.state, tested, (base, above))
    ahead: I64 = np.cumsum(tested, axis=1) - tested
    drawn = uniform(state.seed[rows.at][:, None], (state.tested[rows.at][:, None] + ahead).astype(np.uint64))
    # Untested readings have negative classes: they count as lower ones of every other, so take them off again.
    under = base + low + sooner - (np.arange(t) - ahead) - part.start - part.under
    u = (under + drawn * (above - base + same + equal + 1)) / (part.size + part.mine + 1)
    cells = book.cell_of_slot.take(_slots(u))
    known = book.cell_of_slot.take(_slots((base - part.start + drawn * (above - base + 1)) / (part.size + 1)))
    table = state.table[rows.at][:, None]
    gains = book.tables.take(table + cells, axis=0)
    gains[:, :, DEPENDENCE] = book.dependence.take(_levels(state, rows, cells, tested, book) + cells, axis=0)
    gains[:, :, RECORDS] = _records(u, part, table, book)
    return Ranks(tested=tested, classes=classes, cells=cells, known=known, gains=gains, tally=part.tally)


def _slots(u: F64) -> I64:
    return (u * SLOTS).astype(np.int64).clip(0, SLOTS - 1)


def _section(state: State, rows: Rows, operating: I64, tested: Bools, bounds: tuple[I64, I64]) -> _Section:
    """``bounds``: how much of the reference lies in lower classes than the reading's, and in no higher ones."""
    first = state.first[rows.at].astype(np.int64)
    flat = state.below.reshape(-1)
    base = (rows.number * state.below.shape[1])[:, None]
    single = not (first[:, 1] < first[:, -1]).any()
    bottom, top = first[:, :1], first[:, 1:2]
    if not single:
        bottom, top = np.take_along_axis(first, operating, axis=1), np.take_along_axis(first, operating + 1, axis=1)
    start, end = flat.take(base + bottom).astype(np.int64), flat.take(base + top).astype(np.int64)
    tally = np.zeros((*tested.shape, 3), np.int32)
    tally[:, :, 0] = tested
    tally[:, :, 1] = tested & (bounds[0] == end)
    tally[:, :, 2] = tested & (bounds[1] == start)
    counts = state.tally[rows.at]
    under = np.zeros(tested.shape, np.int64)
    if single:
        only = (counts[:, None, 0] + np.cumsum(tally, axis=1, dtype=np.int64) - tally).astype(np.int64, copy=False)
        return _Section(start, end - start, under, only[:, :, 0], only[:, :, 1], only[:, :, 2], tally)
    mine = np.zeros((*tested.shape, 3), np.int64)
    for s in range(counts.shape[1]):
        inside = operating == s
        gained = np.where(inside[:, :, None], tally, 0)
        sofar = counts[:, None, s] + np.cumsum(gained, axis=1) - gained
        mine += np.where(inside[:, :, None], sofar, 0)
        under += np.where(operating > s, sofar[:, :, 0], 0)
    return _Section(start, end - start, under, mine[:, :, 0], mine[:, :, 1], mine[:, :, 2], tally)


def _records(u: F64, part: _Section, table: I64, book: Book) -> F64:
    """A bet on heavier tails that knows how many readings have already gone beyond the reference.

    The next one does so at the top with chance (1 + above) / (size + mine + 1) exactly, which is how much of u's
    range it fills. Within, u is spread over a uniform rank again, for the table of the tails inside the range.
    """
    total = part.size + part.mine + 1
    top, bottom = (1 + part.above) / total, (1 + part.below) / total
    more = np.maximum(RECORD_SHARE, 1.5 * top).clip(0, 0.45), np.maximum(RECORD_SHARE, 1.5 * bottom).clip(0, 0.45)
    middle = np.maximum(1 - top - bottom, 1e-9)
    within = book.cell_of_slot.take(_slots(((u - bottom) / middle).clip(0, 1)))
    inside = (1 - more[0] - more[1]) / middle * book.tables.reshape(-1).take((table + within) * BETS + RECORDS)
    gain = np.where(u >= 1 - top, more[0] / top, np.where(u < bottom, more[1] / bottom, inside))
    out: F64 = FLOOR + (1 - FLOOR) * gain
    return out


def _levels(state: State, rows: Rows, cells: I64, tested: Bools, book: Book) -> I64:
    """Where the dependence bets of each reading start, given the rank before it; LEVELS = no such rank."""
    level = np.where(tested, book.level_of_cell.take(cells), LEVELS)
    before = np.concatenate([state.last_level[rows.at][:, None], level[:, :-1]], axis=1)
    return before * book.cells
