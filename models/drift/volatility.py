"""How the spread of the residuals moves: with the time of day, and with its own recent past."""

import numpy as np

from .reference import CURVE, DAY_NS
from .regression import normal_equations
from .words import F64, I64

_CAP = 25.0  # one reading counts at most as 5 sd in the recent volatility
_NONE = (1.0, 0.0, 0.0, _CAP)


def seasonal_swing(error: F64, clock: I64, cadence: float) -> F64:
    """float64[CURVE]: spread by time of day, mean near 1; ones unless the information criterion wants more.

    Regression of log e^2 on two daily harmonics (Harvey, 1976).
    """
    flat = np.ones(CURVE)
    use = np.isfinite(error) & (error != 0)
    if not cadence or float(clock[-1] - clock[0]) / DAY_NS < 1.9 or use.sum() < 500:
        return flat
    turns = 2 * np.pi * ((clock[use] % DAY_NS) / DAY_NS)
    design = np.stack([np.ones(len(turns)), *(f(k * turns) for k in (1, 2) for f in (np.cos, np.sin))], axis=1)
    log = np.log(error[use] ** 2 + 1e-4)
    beta = np.linalg.solve(*normal_equations(design, log))
    n, total = len(log), float(((log - log.mean()) ** 2).sum())
    rest = float(((log - (design * beta).sum(axis=1)) ** 2).sum())
    if n * np.log(total / rest) < 2 * 4 * np.log(n):
        return flat
    day = 2 * np.pi * np.arange(CURVE) / CURVE
    shape = np.stack([np.zeros(CURVE), *(f(k * day) for k in (1, 2) for f in (np.cos, np.sin))], axis=1)
    shape = (shape * beta).sum(axis=1)
    out: F64 = np.exp(np.clip(shape / 2, -3, 3))
    return out


def fit_volatility(error: F64) -> F64:
    """float64[4] (w, a, b, cap) of a GARCH(1,1) for residuals of unit variance; constant unless the BIC
    wants it.

    Gaussian quasi-likelihood on a grid, variance targeting (Francq, Horvath & Zakoian, 2011).
    """
    constant = np.array(_NONE)
    n = len(error)
    if n < 400 or not error.any():
        return constant
    square = np.minimum(error * error, 60.0)
    mean = float(square.mean())
    flat = n * (1 + np.log(mean))
    best, found = flat, (0.0, 0.0)
    for kept in (0.7, 0.85, 0.92, 0.95, 0.97, 0.985, 0.995):
        for a in (0.02, 0.04, 0.07, 0.1, 0.14, 0.2, 0.28):
            if a < kept:
                score = _deviance(square, mean, a, kept - a)
                if score < best:
                    best, found = score, (a, kept - a)
    # Heavy tails make the likelihood ratio large by chance, in proportion to their kurtosis.
    kurtosis = float(np.mean(square * square)) / mean**2
    if flat - best < (2 * np.log(n) + 2) * max(1.0, (kurtosis - 1) / 2):
        return constant
    a, b = _polish(square, mean, found)
    return np.array([mean * (1 - a - b), a, b, _CAP])


def _deviance(square: F64, mean: float, a: float, b: float) -> float:
    from scipy.signal import lfilter

    shocks = mean * (1 - a - b) + a * square[:-1]
    h = np.concatenate([[mean], lfilter([1.0], [1.0, -b], shocks, zi=[b * mean])[0]])
    return float((np.log(h) + square / h).sum())


def _polish(square: F64, mean: float, start: tuple[float, float]) -> tuple[float, float]:
    """The grid's best, moved on the scale where both numbers are free."""
    from scipy.optimize import minimize

    def odds(p: F64) -> tuple[float, float]:
        kept = 1 / (1 + np.exp(-p[0]))
        return float(kept / (1 + np.exp(-p[1]))), float(kept - kept / (1 + np.exp(-p[1])))

    kept, part = start[0] + start[1], start[0] / (start[0] + start[1])
    first = np.array([np.log(kept / (1 - kept)), np.log(part / (1 - part))])
    result = minimize(lambda p: _deviance(square, mean, *odds(p)), first, method="Nelder-Mead", options={"maxiter": 80})
    return odds(np.asarray(result.x))
