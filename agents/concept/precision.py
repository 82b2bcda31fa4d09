"""How many of a model's alerts are right: from labels, and without any from the false alarms that it is made for."""

from dataclasses import dataclass
from math import exp, lgamma, log


@dataclass(frozen=True)
class Precision:
    """A share of right alerts with an interval of 95 %."""

    effect: float
    low: float
    high: float


def labelled(true: int, count: int) -> Precision | None:
    """Of the alerts that were labelled; None where none is.

    The interval is Jeffreys' (Brown, Cai & DasGupta, 2001). It speaks of alerts like those that people chose to label.
    """
    if not count:
        return None
    from scipy.stats import beta

    low = float(beta.ppf(0.025, true + 0.5, count - true + 0.5)) if true else 0.0
    high = float(beta.ppf(0.975, true + 0.5, count - true + 0.5)) if true < count else 1.0
    return Precision(true / count, low, high)


def estimated(alerts: int, vectors: int, rate: float) -> Precision | None:
    """Without labels: what is left of the alerts when the false ones that the bundle is made for are taken away.

    ``rate``: false alarms per scored vector that the bundle's calibration states. It is justified as far as data
    without an anomaly is still like the calibration's, so it says nothing of a model whose scores drifted. An alert may
    stand for several vectors over the threshold: then the precision is higher. The interval takes false alarms to be
    Poisson; those that come in bunches make it too narrow. None without alerts.
    """
    if not alerts:
        return None
    from scipy.stats import poisson

    expected = vectors * rate
    most, least = float(poisson.ppf(0.975, expected)), float(poisson.ppf(0.025, expected))
    shares = [min(max(1 - false / alerts, 0.0), 1.0) for false in (expected, most, least)]
    return Precision(shares[0], shares[1], shares[2])


def evidence_below(true: int, count: int, least: float) -> float:
    """Evidence that alerts are right with a chance below ``least``: e-value, at most 1 in the mean while they are not.

    A uniform mixture of likelihood ratios of every lower chance against ``least``, in closed form by the incomplete
    beta function. As labels come in it is a supermartingale for every chance of ``least`` and more, so it ever reaches
    1/a with a chance of a at most (Ville, 1939), however often one looks.
    """
    from scipy.special import betainc

    false = count - true
    inside = float(betainc(true + 1, false + 1, least))
    if inside <= 0:
        return 0.0
    beta = lgamma(true + 1) + lgamma(false + 1) - lgamma(count + 2)
    against = true * log(least) + false * log(1 - least)
    return exp(min(log(inside) + beta - log(least) - against, 700.0))
