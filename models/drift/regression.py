"""Daily harmonics and autoregression by least squares, their orders by the Bayesian information criterion."""

from dataclasses import dataclass, replace

import numpy as np

from .reference import CURVE, DAY_NS, LAGS
from .words import F64, I64, Bools

WAVES = 10  # harmonics of the day at most


@dataclass(frozen=True)
class Model:
    """``lags``: float64[LAGS]; ``waves``: float64[2 * used], cosine and sine by turns; ``leverage``:
    float64[n], factor that turns each residual into the one it would be had it not been fitted itself;
    ``bic``: lower is better; ``doubtful``: whether there are lags that the readings hardly tell from none.
    """

    constant: float
    lags: F64
    waves: F64
    leverage: F64
    bic: float
    doubtful: bool = False


def harmonics(clock: I64, cadence: float, n: int) -> F64:
    """float64[n, 2 * WAVES] of the time of day; no columns unless the readings span two days."""
    span = float(clock[-1] - clock[0]) / DAY_NS if n > 1 else 0.0
    if not cadence or span < 1.9 or cadence < 4 * WAVES:
        return np.zeros((n, 0))
    return _waves((clock % DAY_NS) / DAY_NS)


def _waves(day: F64) -> F64:
    turns = 2 * np.pi * day
    return np.stack([f(k * turns) for k in range(1, WAVES + 1) for f in (np.cos, np.sin)], axis=1)


def curve(waves: F64, constant: float) -> F64:
    """float64[CURVE]: constant and harmonics by time of day."""
    out: F64 = constant + (_waves(np.arange(CURVE) / CURVE)[:, : len(waves)] * waves).sum(axis=1)
    return out


def regress(y: F64, waves: F64, state: I64) -> Model:
    """Model of ``y`` (float64[n], NaN = missing), weighted by the spread within each operating state.

    ``state``: int64[n]. Conditional least squares; Schwarz (1978) for the orders, with the first LAGS
    readings left out of every candidate so that all are compared on the same readings.
    """
    design, use, lags = _design(y, waves)
    weight = _weights(y, state)[use]
    rows, target = design[use] / weight[:, None], y[use] / weight
    gram, moment = normal_equations(rows, target)
    power, n = float((target * target).sum()), len(target)
    fits: list[_Fit] = []
    for order in range(lags + 1):
        for used in range(waves.shape[1] // 2 + 1):
            columns = [0, *range(1, order + 1), *range(LAGS + 1, LAGS + 1 + 2 * used)]
            some = np.ix_(columns, columns)
            beta = np.asarray(np.linalg.lstsq(gram[some], moment[columns], rcond=1e-12)[0], np.float64)
            rest = max(power - float((beta * moment[columns]).sum()), 1e-12 * power, 1e-300)
            bic = n * np.log(rest / n) + len(columns) * np.log(n) + 2 * np.log(weight).sum()
            fits.append(_Fit(float(bic), columns, beta))
    best = min(fits, key=lambda f: f.bic)
    without = min(fit.bic for fit in fits if not fit.lagged)
    return replace(
        _model(best, design, use, gram, weight), doubtful=best.lagged and without - best.bic < float(np.log(n))
    )


def normal_equations(design: F64, target: F64) -> tuple[F64, F64]:
    """Products of all columns of ``design`` (float64[n, q]) with each other and with ``target`` (float64[n]).

    Without BLAS, whose sums depend on how many threads it has: fitting may happen in a replay.
    """
    columns = np.ascontiguousarray(design.T)
    gram = np.empty((len(columns), len(columns)))
    for i, a in enumerate(columns):
        for j, b in enumerate(columns[: i + 1]):
            gram[i, j] = gram[j, i] = float((a * b).sum())
    return gram, np.array([float((a * target).sum()) for a in columns])


@dataclass(frozen=True)
class _Fit:
    bic: float
    columns: list[int]
    beta: F64

    @property
    def lagged(self) -> bool:
        return any(1 <= column <= LAGS for column in self.columns)


def _design(y: F64, waves: F64) -> tuple[F64, Bools, int]:
    """Columns (constant, LAGS lags, harmonics), the rows without gaps, and how many lags may be used."""
    n = len(y)
    lagged = [np.concatenate([np.full(i, np.nan), y[:-i]]) for i in range(1, LAGS + 1)]
    design = np.stack([np.ones(n), *lagged, *waves.T], axis=1)
    for most in (LAGS, 8, 4, 2, 1):
        use = np.isfinite(design).all(axis=1) & np.isfinite(y)
        use[:LAGS] = False
        if use.sum() >= max(40, n // 4):
            return design, use, min(most, int(use.sum()) // 50)
        design[:, most // 2 + 1 : LAGS + 1] = 0.0  # too many gaps for so many lags
    return design, np.isfinite(y), 0


def _weights(y: F64, state: I64) -> F64:
    """Spread of first looks: robust within each operating state."""
    out = np.ones(len(y))
    for s in np.unique(state):
        mine = y[(state == s) & np.isfinite(y)]
        out[state == s] = max(float(mine.std()), 1e-300) if len(mine) > 1 and mine.std() > 0 else 1.0
    if len(np.unique(state)) == 1:
        out[:] = 1.0
    return out


def _model(best: _Fit, design: F64, use: Bools, gram: F64, weight: F64) -> Model:
    columns = best.columns
    full = np.zeros(design.shape[1])
    full[columns] = best.beta
    if len(columns) == 1:  # only the mean: residuals keep the values' ties
        return Model(float(full[0]), full[1 : LAGS + 1], full[LAGS + 1 :], np.ones(len(design)), best.bic)
    full = _unbiased(full, len(weight))
    inverse = np.linalg.pinv(gram[np.ix_(columns, columns)])
    rows = design[use][:, columns] / weight[:, None]
    spread = sum(rows[:, i, None] * inverse[i] for i in range(len(columns)))
    hat = np.clip((spread * rows).sum(axis=1), 0.0, 0.5)
    leverage = np.ones(len(design))
    leverage[use] = 1 / (1 - hat)
    return Model(float(full[0]), full[1 : LAGS + 1], full[LAGS + 1 :], leverage, best.bic)


def _unbiased(beta: F64, n: int) -> F64:
    """Take the small-sample bias off the sum of the lags (Marriott & Pope, 1954), keeping the mean level.

    A short reference leaves the sum uncertain. One too small leaves residuals that follow each other, which looks
    like a shift; one too large leaves the contrary and does no harm. So lean to the large side by up to 1.5
    standard errors, next to nothing for a week of minutes.
    """
    total = float(beta[1 : LAGS + 1].sum())
    if total <= 0:
        return beta
    lean = 0.0 if total < 0.5 else min(1.5, 750 / n) * (max(1 - total * total, 0.0) / n) ** 0.5
    better = min(total + (1 + 3 * total) / n + lean, (total + 1) / 2)
    out = beta.copy()
    out[1 : LAGS + 1] *= better / total
    out[0] *= (1 - better) / (1 - total) if total < 1 else 1.0
    return out
