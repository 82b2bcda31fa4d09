"""Do two raw samples come from the same law? For `tocsin drift check A B`; both samples lie on the table.

Sensor readings are autocorrelated, so n of them carry the information of fewer: every p-value here uses the
effective sample size, and every test sees raw values. Nothing is binned: a Kolmogorov-Smirnov test on the
heights of 20 bins misses a shift of a whole standard deviation.
"""

from dataclasses import dataclass

import numpy as np

from .words import F64

SMALLEST = 20
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """An effect with its 95 % interval."""

    effect: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Outcome of ``compare``; b against a.

    ``p``: chance of a difference this large without drift, over all tests (Bonferroni). ``ks``, ``p_ks``:
    largest difference of the distribution functions and its p-value; ``p_tail``: Anderson-Darling, which
    sees tails; ``p_mean``, ``p_spread``: of the two effects. ``shift``: in standard deviations of a;
    ``ratio``: spread of b over spread of a; ``effective_a``, ``effective_b``: independent readings that the
    samples are worth.
    """

    p: float
    ks: float
    p_ks: float
    p_tail: float
    p_mean: float
    p_spread: float
    shift: Interval
    ratio: Interval
    effective_a: float
    effective_b: float
    missing_a: float
    missing_b: float

    def drifted(self, alpha: float = 0.001) -> bool:
        """Whether chance would do this less than ``alpha`` of the time."""
        return self.p < alpha


def compare(a: F64, b: F64) -> Comparison:
    """Compare raw readings ``a`` (float64[n], the reference) with ``b`` (float64[m]); NaN and inf are
    missing.

    Kolmogorov-Smirnov, Anderson-Darling (Scholz & Stephens, 1987), Welch's test, and a test of log mean
    absolute deviations, each at the effective sample size of its own statistic (Sokal, 1997). Raises
    ValueError when a sample has fewer than 20 finite readings.
    """
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    missing_a, missing_b = (1 - float(np.isfinite(s).mean()) if len(s) else 1.0 for s in (a, b))
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if min(len(a), len(b)) < SMALLEST:
        raise ValueError(f"each sample needs {SMALLEST} finite readings, these have {len(a)} and {len(b)}")
    worth_a, worth_b = _worth(a), _worth(b)
    ks, p_ks = _ks(a, b, worth_a, worth_b)
    shift, p_mean = _shift(a, b, worth_a, worth_b)
    ratio, p_spread = _ratio(a, b)
    p_tail = _anderson_darling(a, b, worth_a, worth_b)
    return Comparison(
        p=min(1.0, 4 * min(p_ks, p_tail, p_mean, p_spread)),
        ks=ks,
        p_ks=p_ks,
        p_tail=p_tail,
        p_mean=p_mean,
        p_spread=p_spread,
        shift=shift,
        ratio=ratio,
        effective_a=worth_a,
        effective_b=worth_b,
        missing_a=missing_a,
        missing_b=missing_b,
    )


def effective_size(x: F64) -> float:
    """How many independent values the mean of ``x`` (float64[n]) is worth, between 2 and n.

    n over the integrated autocorrelation time, summed up to the first window 6 times as long as the time
    itself (Sokal, "Monte Carlo methods in statistical mechanics", 1997).
    """
    n = len(x)
    centred = x - x.mean()
    power = float(np.mean(centred * centred))
    if n < 4 or power <= 1e-24 * float(np.max(np.abs(x), initial=1e-300)) ** 2:
        return float(n)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    rho = np.fft.irfft(spectrum, size)[: n // 2] / (n * power)
    tau = 2 * np.cumsum(rho) - 1
    enough = np.arange(len(tau)) >= 6 * tau
    time = float(tau[int(enough.argmax())] if enough.any() else tau.max())
    return float(np.clip(n / max(time, 1.0), 2.0, n))


def _worth(x: F64) -> float:
    """Effective size for statements about the whole law: the smaller of the values' and of their ranks'."""
    ranks = np.argsort(np.argsort(x, kind="stable"), kind="stable").astype(np.float64)
    return min(effective_size(x), effective_size(ranks))


def _ks(a: F64, b: F64, worth_a: float, worth_b: float) -> tuple[float, float]:
    from scipy.stats import kstwobign

    both = np.concatenate([a, b])
    below_a = np.searchsorted(np.sort(a), both, "right") / len(a)
    below_b = np.searchsorted(np.sort(b), both, "right") / len(b)
    distance = float(np.abs(below_a - below_b).max())
    size = (worth_a * worth_b / (worth_a + worth_b)) ** 0.5
    return distance, float(kstwobign.sf((size + 0.12 + 0.11 / size) * distance))


def _anderson_darling(a: F64, b: F64, worth_a: float, worth_b: float) -> float:
    """Two-sample Anderson-Darling with midranks, its statistic scaled down to the effective sizes."""
    from scipy.stats import norm

    both = np.sort(np.concatenate([a, b]))
    values, counts = np.unique(both, return_counts=True)
    if len(values) < 2:
        return 1.0
    total = len(both)
    pooled = (np.cumsum(counts) - counts / 2) / total
    gap = _mid(a, values) - _mid(b, values)
    spread = np.maximum(pooled * (1 - pooled) - counts / (4 * total * total), 1e-12)
    size = worth_a * worth_b / (worth_a + worth_b)
    statistic = size * float((gap * gap / spread * counts).sum()) / total
    # Its tail under no difference falls like exp(-A); mean 1, sd 0.76 (Anderson & Darling, 1954).
    if statistic < 2:
        return float(norm.sf((statistic - 1) / 0.76))
    return float(min(1.0, 1.5 * np.exp(-statistic)))


def _mid(sample: F64, values: F64) -> F64:
    ordered = np.sort(sample)
    out: F64 = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (
        2 * len(sample)
    )
    return out


def _shift(a: F64, b: F64, worth_a: float, worth_b: float) -> tuple[Interval, float]:
    from scipy.stats import t

    sd = float(a.std()) or 1.0
    error_a, error_b = a.var() / worth_a, b.var() / worth_b
    error = float((error_a + error_b) ** 0.5)
    move = float(b.mean() - a.mean())
    if error == 0:
        return Interval(move / sd, move / sd, move / sd), 1.0 if move == 0 else 0.0
    freedom = (error_a + error_b) ** 2 / (error_a**2 / (worth_a - 1) + error_b**2 / (worth_b - 1))
    p = 2 * float(t.sf(abs(move) / error, freedom))
    half, shift = float(t.ppf(0.975, freedom)) * error / sd, move / sd
    # The yardstick has an error too: it counts where the shift is large.
    half = float(np.hypot(half, _Z95 * shift * _sd_error(a)))
    return Interval(shift, shift - half, shift + half), p


def _sd_error(a: F64) -> float:
    """Standard error of the standard deviation, over it (delta method), at the effective size of the squares."""
    squares = (a - a.mean()) ** 2
    mean = float(squares.mean())
    return float(squares.std()) / (2 * mean * effective_size(squares) ** 0.5) if mean > 0 else 0.0


def _ratio(a: F64, b: F64) -> tuple[Interval, float]:
    """Spread of b over spread of a, by mean absolute deviations from the median (Brown & Forsythe, 1974)."""
    from scipy.stats import norm

    away_a, away_b = np.abs(a - np.median(a)), np.abs(b - np.median(b))
    mean_a, mean_b = float(away_a.mean()), float(away_b.mean())
    if min(mean_a, mean_b) == 0:
        same = mean_a == mean_b
        ratio = 1.0 if same else (np.inf if mean_a == 0 else 0.0)
        return Interval(ratio, ratio, ratio), 1.0 if same else 0.0
    error = (
        away_a.var() / mean_a**2 / effective_size(away_a) + away_b.var() / mean_b**2 / effective_size(away_b)
    ) ** 0.5
    log = float(np.log(mean_b / mean_a))
    low, high = np.exp(log - _Z95 * error), np.exp(log + _Z95 * error)
    return Interval(float(np.exp(log)), float(low), float(high)), 2 * float(norm.sf(abs(log) / float(error)))
