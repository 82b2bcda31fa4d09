"""From readings to residuals: operating state, steps of the day, season, autoregression, volatility.

The same function serves fitting and watching, so that they cannot differ. Every operation is elementwise
and in a fixed order: a reading's residual has the same bits whatever it is processed together with.
"""

from dataclasses import dataclass

import numpy as np

from .reference import CURVE, DAY_NS, LAGS
from .schedule import at_time
from .state import State
from .words import F64, I64, Bools, Rows

GAP = 4  # ticks without a reading after which the past no longer predicts


@dataclass(frozen=True)
class Residuals:
    """For k series and t readings each. ``value``: float64[k, t], standardised, NaN where the reading is
    missing; ``state``: int64[k, t], operating state; ``history``: float64[k, LAGS], newest first; ``h``:
    float64[k].
    """

    value: F64
    state: I64
    history: F64
    h: F64
    cold: Bools
    warm: I64


def residuals(state: State, rows: Rows, times: I64, values: F64) -> Residuals:
    """Residuals of ``values`` (float64[k, t], NaN = missing) read at ``times`` (int64[k, t], ns); changes
    nothing.
    """
    at = rows.at
    cuts = state.cuts[at]
    if np.isfinite(cuts).any():
        operating = (values[:, :, None] > cuts[:, None, :]).sum(axis=2, dtype=np.int64)
        level = np.take_along_axis(state.levels[at], operating, axis=1)
        spread = np.take_along_axis(state.scales[at], operating, axis=1)
    else:
        operating = np.zeros(values.shape, np.int64)
        level, spread = state.levels[at][:, :1], state.scales[at][:, :1]
    free = values - level
    stepped = np.flatnonzero(state.stepped[at])
    if len(stepped):
        free[stepped] -= at_time(state.steps[rows.number[stepped]], times[stepped])
    drift = np.zeros(values.shape)
    seasonal = np.flatnonzero(state.seasonal[at])
    if len(seasonal):
        drift[seasonal], swing = _curves(state, rows.number[seasonal], times[seasonal])
        spread = spread + np.zeros(values.shape)
        spread[seasonal] *= swing
    missing = np.isnan(values)
    past = np.concatenate([state.history[at][:, ::-1], free], axis=1)
    error = _errors(past, drift, state.lags[at], int(state.order[at].max(initial=0)), missing) / spread
    cold, warm = _cold(state, rows, times)
    value, h = _calm(error, state.volatility[at], state.h[at], missing)
    return Residuals(value=value, state=operating, history=past[:, : -LAGS - 1 : -1].copy(), h=h, cold=cold, warm=warm)


def _cold(state: State, rows: Rows, times: I64) -> tuple[Bools, I64]:
    """Readings whose predecessors are too long ago to predict them, and how many more are to come.

    Those are the first ones of a series, and the first ones after a gap of more than GAP ticks.
    """
    t = times.shape[1]
    steps = np.arange(t)
    before = np.concatenate([state.last_time[rows.at][:, None], times[:, :-1]], axis=1)
    gap = times - before > (GAP * state.tick[rows.at])[:, None]
    gap[:, 0] &= state.seen[rows.at] > 0
    if not gap.any():
        return steps < state.warm[rows.at][:, None], np.maximum(state.warm[rows.at] - t, 0)
    last = np.maximum.accumulate(np.where(gap, steps, -1), axis=1)
    order = state.order[rows.at][:, None]
    left = np.where(last >= 0, order - (steps - last), state.warm[rows.at][:, None] - steps)
    return left > 0, np.maximum(left[:, -1] - 1, 0)


def _curves(state: State, rows: I64, times: I64) -> tuple[F64, F64]:
    """Season and swing at the time of day of each reading, for series that have them."""
    place = (times % DAY_NS) * (CURVE / DAY_NS)
    left = place.astype(np.int64) % CURVE
    part = place - left
    base = (rows * CURVE)[:, None]
    here, there = base + left, base + (left + 1) % CURVE
    season, swing = state.season.reshape(-1), state.swing.reshape(-1)
    return (
        season.take(here) * (1 - part) + season.take(there) * part,
        swing.take(here) * (1 - part) + swing.take(there) * part,
    )


def _errors(past: F64, drift: F64, lags: F64, order: int, missing: Bools) -> F64:
    """Errors of the one-step prediction; missing readings in ``past`` are replaced by their prediction."""
    t = drift.shape[1]
    if not missing.any():
        predicted = drift
        for i in range(order):
            predicted = predicted + lags[:, i, None] * past[:, LAGS - 1 - i : LAGS - 1 - i + t]
        errors: F64 = past[:, LAGS:] - predicted
        return errors
    out = np.full(drift.shape, np.nan)
    for j in range(t):
        guess = drift[:, j]
        for i in range(order):
            guess = guess + lags[:, i] * past[:, LAGS - 1 - i + j]
        out[:, j] = past[:, LAGS + j] - guess
        past[:, LAGS + j] = np.where(missing[:, j], guess, past[:, LAGS + j])
    return out


def _calm(error: F64, volatility: F64, h: F64, missing: Bools) -> tuple[F64, F64]:
    """Divide out recent volatility: GARCH(1,1) with a bounded shock (Bollerslev, 1986; Muler & Yohai,
    2008).
    """
    w, a, b, cap = volatility.T
    if not (a > 0).any():
        return error, h
    out = np.empty_like(error)
    for j in range(error.shape[1]):
        out[:, j] = error[:, j] / np.sqrt(h)
        shock = np.where(missing[:, j], h, np.minimum(error[:, j] * error[:, j], cap * h))
        h = np.where(a > 0, w + a * shock + b * h, 1.0)
    return out, h
