"""Signs that the sensor failed rather than the process changed: checked on raw readings, before any test.

stuck     more equal readings in a row than the reference makes plausible
jump      readings leave the reference's range at once and stay away (a unit, an offset)
missing   readings fail more often than in the reference    } Shiryaev-Roberts bets on how often,
repeat    readings equal one of the last 8 too often        } against the reference's own rate
"""

from dataclasses import dataclass

import numpy as np

from .state import FLAGS, NEAR, State
from .words import F64, I64, Bools, Rows


@dataclass(frozen=True)
class Signs:
    """For k series and t readings. ``stuck``, ``jump``: bool[k, t]; the gains: float64[k, t, 2].

    ``run``: int64[k, t], equal readings in a row so far; ``flags``: bool[k, 4, FLAGS], whether the last residuals
    and raw values lay outside, above or below, newest last;
    ``near``: float64[k, NEAR], the last raw readings.
    """

    stuck: Bools
    jump: Bools
    missing_gain: F64
    repeat_gain: F64
    run: I64
    flags: Bools
    near: F64


def signs(state: State, rows: Rows, values: F64, residual: F64) -> Signs:
    """All signs in ``values`` (float64[k, t], NaN = missing) with their ``residual``; changes nothing."""
    t = values.shape[1]
    missing = np.isnan(values)
    last = np.concatenate([state.near[rows.at], values], axis=1)
    repeat = np.zeros(values.shape, np.bool_)
    for i in range(1, NEAR + 1):
        repeat |= last[:, NEAR - i : NEAR - i + t] == values
    run = _runs(state.run[rows.at], last[:, NEAR - 1 : -1] == values, missing)
    jump, flags = _jumps(state, rows, values, residual)
    return Signs(
        stuck=run >= state.stuck[rows.at][:, None],
        jump=jump,
        missing_gain=_missing_gain(state, rows, missing),
        repeat_gain=_pairs(state.repeat_bet, rows.number * 2, repeat),
        run=run,
        flags=flags,
        near=last[:, -NEAR:],
    )


def _runs(run: I64, equal: Bools, missing: Bools) -> I64:
    """How many equal readings in a row there are at each step; 0 where missing."""
    t = equal.shape[1]
    steps = np.arange(t)
    broken = np.maximum.accumulate(np.where(equal, -1, steps), axis=1)
    length = np.where(broken >= 0, steps - broken + 1, run[:, None] + steps + 1)
    return np.where(missing, 0, length)


def _missing_gain(state: State, rows: Rows, missing: Bools) -> F64:
    was = np.concatenate([state.was_missing[rows.at][:, None], missing[:, :-1]], axis=1)
    place = (rows.number * 4)[:, None] + 2 * was + missing
    out: F64 = state.missing_bet.reshape(-1, 2).take(place, axis=0)
    return out


def _pairs(bets: F64, start: I64, happened: Bools) -> F64:
    out: F64 = bets.reshape(-1, 2).take(start[:, None] + happened, axis=0)
    return out


def _jumps(state: State, rows: Rows, values: F64, residual: F64) -> tuple[Bools, Bools]:
    """Readings that leap far outside and stay there, on one side.

    A leap is a residual beyond all of the reference's; after one, raw values outside the reference's range
    count too if they go on to push outwards, since an autoregression soon gets used to a new level. Two such
    readings in a row are a jump, or three of four where the reference is short or follows its own past.
    """
    lo, hi, edge_lo, edge_hi, push_lo, push_hi = (state.range[rows.at][:, i, None] for i in range(6))
    above, below = (values > hi) & (residual > push_hi), (values < lo) & (residual < push_lo)
    signs = residual > edge_hi, residual < edge_lo, above, below
    old, jump = state.flags[rows.at], np.zeros(values.shape, np.bool_)
    flagged = np.logical_or.reduce(signs).any(axis=1) | old.reshape(len(old), -1).any(axis=1)
    some = np.flatnonzero(flagged)
    if not len(some):
        return jump, old
    flags = np.concatenate([old[some], np.stack([sign[some] for sign in signs], axis=1)], axis=2)
    short = (state.jump_needs[rows.number[some]] > 2)[:, None]
    # The oldest flag that a verdict needs lies six readings back: four events, each near a leap.
    for leap, out in ((flags[:, 0], flags[:, 2]), (flags[:, 1], flags[:, 3])):
        near = leap.copy()
        for i in (1, 2, 3):
            near[:, i:] |= leap[:, :-i]
        event = (leap | (out & near))[:, FLAGS - 3 :]
        last, before = event[:, 3:], event[:, 2:-1]
        three = last.astype(np.int64) + before + event[:, 1:-2] + event[:, :-3] >= 3
        jump[some] |= last & (three | (before & ~short))
    now = np.zeros_like(old)
    now[some] = flags[:, :, -FLAGS:]
    return jump, now
