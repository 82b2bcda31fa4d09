"""Signs that the sensor failed rather than the process changed: checked on raw readings, before any test.

stuck     more equal readings in a row than the reference makes plausible
jump      readings leave the reference's range at once and stay away (a unit, an offset)
missing   readings fail more often than in the reference    } Shiryaev-Roberts bets on how often,
repeat    readings equal one of the last 8 too often        } against the reference's own rate
"""

from dataclasses import dataclass

import numpy as np

from .state import FLAGS, RECENT, State
from .words import F64, I64, Bools

NEAR = 8  # readings back in which an equal one is a repeat


@dataclass(frozen=True)
class Signs:
    """For k series and t readings. ``stuck``, ``jump``: bool[k, t]; the gains: float64[k, t, 2].

    ``run``: int64[k, t], equal readings in a row so far; ``flags``: bool[k, 2, FLAGS], whether the last residuals
    and the last raw values lay outside, newest last.
    """

    stuck: Bools
    jump: Bools
    missing_gain: F64
    repeat_gain: F64
    run: I64
    flags: Bools

    def of(self, some: I64) -> "Signs":
        """The signs of some of the series."""
        return Signs(
            self.stuck[some],
            self.jump[some],
            self.missing_gain[some],
            self.repeat_gain[some],
            self.run[some],
            self.flags[some],
        )


def signs(state: State, rows: I64, values: F64, residual: F64) -> Signs:
    """All signs in ``values`` (float64[k, t], NaN = missing) with their ``residual``; changes nothing."""
    t = values.shape[1]
    missing = np.isnan(values)
    ago = state.seen[rows][:, None] + np.arange(-NEAR, 0)
    last = np.concatenate([state.recent[rows[:, None], ago % RECENT], values], axis=1)
    repeat = np.zeros(values.shape, np.bool_)
    for i in range(1, NEAR + 1):
        repeat |= last[:, NEAR - i : NEAR - i + t] == values
    run = _runs(state.run[rows], last[:, NEAR - 1 : -1] == values, missing)
    jump, flags = _jumps(state, rows, values, residual)
    return Signs(
        stuck=run >= state.stuck[rows][:, None],
        jump=jump,
        missing_gain=_missing_gain(state, rows, missing),
        repeat_gain=_pairs(state.repeat_bet, rows * 2, repeat),
        run=run,
        flags=flags,
    )


def _runs(run: I64, equal: Bools, missing: Bools) -> I64:
    """How many equal readings in a row there are at each step; 0 where missing."""
    t = equal.shape[1]
    steps = np.arange(t)
    broken = np.maximum.accumulate(np.where(equal, -1, steps), axis=1)
    length = np.where(broken >= 0, steps - broken + 1, run[:, None] + steps + 1)
    return np.where(missing, 0, length)


def _missing_gain(state: State, rows: I64, missing: Bools) -> F64:
    was = np.concatenate([state.was_missing[rows][:, None], missing[:, :-1]], axis=1)
    place = (rows * 4)[:, None] + 2 * was + missing
    out: F64 = state.missing_bet.reshape(-1, 2).take(place, axis=0)
    return out


def _pairs(bets: F64, start: I64, happened: Bools) -> F64:
    out: F64 = bets.reshape(-1, 2).take(start[:, None] + happened, axis=0)
    return out


def _jumps(state: State, rows: I64, values: F64, residual: F64) -> tuple[Bools, Bools]:
    """Several readings far outside within a moment, the first of them a leap.

    A leap is a residual beyond all of the reference's; after one, raw values outside the reference's range
    count too, since an autoregression soon gets used to a new level.
    """
    t = values.shape[1]
    lo, hi, edge_lo, edge_hi = (state.range[rows][:, i, None] for i in range(4))
    old = state.flags[rows]
    leap = np.concatenate([old[:, 0], (residual < edge_lo) | (residual > edge_hi)], axis=1)
    out = np.concatenate([old[:, 1], (values < lo) | (values > hi)], axis=1)
    near = leap.copy()
    for i in (1, 2, 3):
        near[:, i:] |= leap[:, :-i]
    event = leap | (out & near)
    count = event[:, 3:].astype(np.int64) + event[:, 2:-1] + event[:, 1:-2]
    need = state.jump_needs[rows][:, None]
    four = count + event[:, :-3]
    jump = event[:, 3:] & np.where(need == 2, count >= 2, four >= 3)
    # Event flags of the first steps reach back three readings, so FLAGS = 6 old ones are enough.
    both = np.stack([leap[:, -FLAGS:], out[:, -FLAGS:]], axis=1)
    return jump[:, FLAGS - 3 : FLAGS - 3 + t], both
