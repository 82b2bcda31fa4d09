"""Mahalanobis: distance from the middle of the training, in its own directions and scales."""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .base import Arrays, Floats, Ints, Trained, across, enough

STEPS = 50  # concentration steps, more than they ever take


class Mahalanobis(Trained, frozen=True, extra="forbid"):
    """Squared distance (x - m)' C^-1 (x - m) from the mean of the training under its covariance.

    ``shrunk``: of all vectors, its correlations pulled towards 0 by as much as the number of vectors asks for (Ledoit
    and Wolf). ``robust``: of the ``keep`` share of the vectors that lie closest together, so that some faults in the
    training do not hide others (concentration steps, begun from medians and quartiles); shrunk as well. Features that
    never vary in the training are given the smallest of the other variances, so that a change of them is seen.

    A share is what a feature adds to the distance where that is positive.

    Source: P. C. Mahalanobis, On the generalised distance in statistics, Proc. Nat. Inst. Sci. India 2 (1936) 49-55;
    O. Ledoit and M. Wolf, A well-conditioned estimator for large-dimensional covariance matrices, J. Multivariate
    Analysis 88 (2004) 365-411; P. J. Rousseeuw and K. Van Driessen, A fast algorithm for the minimum covariance
    determinant estimator, Technometrics 41 (1999) 212-223.

    >>> import numpy as np
    >>> from models.trained.numbers import draws
    >>> train = np.stack([draws(1, 0, 500), draws(1, 1, 500)], axis=1)
    >>> train[:, 1] += 3 * train[:, 0]
    >>> detector = Mahalanobis()
    >>> arrays = detector.fit(train)
    >>> detector.score(arrays, np.array([[0.5, 2.0], [0.9, 3.2], [0.9, 1.0]])).round(1)
    array([ 0. ,  2.8, 69.1])
    """

    kind: ClassVar[str] = "mahalanobis"

    covariance: Literal["shrunk", "robust"] = Field(default="robust", description="which vectors it is taken from")
    keep: float = Field(default=0.8, ge=0.5, le=1, description="share of the training that is taken to be clean")

    def fit(self, features: Floats) -> dict[str, NDArray[Any]]:
        """Mean float64[k], and the lower triangle L^-1 of the covariance L L', float64[k, k]."""
        k = features.shape[1]
        enough(features, max(self.fewest, 2 * k))
        kept = features[self._clean(features)] if self.covariance == "robust" else features
        mean = kept.mean(axis=0)
        whitening = _inverse(_cholesky(_shrunk(kept - mean)))
        return {"state/mean": mean, "state/whitening": whitening}

    def raw(self, arrays: Arrays, features: Floats) -> Floats:
        """Squared distances."""
        white = _whitened(arrays, features)
        return across(white * white)

    def parts(self, arrays: Arrays, features: Floats) -> Floats:
        """Of the terms (x - m)_j (C^-1 (x - m))_j, which sum up to the distance."""
        white, whitening = _whitened(arrays, features), arrays["state/whitening"]
        away = features - arrays["state/mean"]
        back = np.stack([across(white * whitening[:, j]) for j in range(away.shape[1])], axis=1)
        out: Floats = np.maximum(away * back, 0.0)
        return out

    def _clean(self, features: Floats) -> Ints:
        """The vectors that lie closest together, by number."""
        size = max(int(self.keep * len(features)), 2 * features.shape[1])
        low, middle, high = np.quantile(features, (0.25, 0.5, 0.75), axis=0)
        spread = np.where(high > low, high - low, 1.0)
        away = (features - middle) / spread
        chosen: Ints = np.sort(np.argsort(across(away * away), kind="stable")[:size])
        for _ in range(STEPS):
            mean = features[chosen].mean(axis=0)
            whitening = _inverse(_cholesky(_shrunk(features[chosen] - mean)))
            distance = self.raw({"state/mean": mean, "state/whitening": whitening}, features)
            closer = np.sort(np.argsort(distance, kind="stable")[:size])
            if np.array_equal(closer, chosen):
                break
            chosen = closer
        return chosen


def _whitened(arrays: Arrays, features: Floats) -> Floats:
    """L^-1 (x - m), float64[m, k], each sum from left to right: a matrix product would round as its library likes."""
    away, whitening = features - arrays["state/mean"], arrays["state/whitening"]
    return np.stack([across(away[:, : i + 1] * whitening[i, : i + 1]) for i in range(away.shape[1])], axis=1)


def _shrunk(away: Floats) -> Floats:
    """Covariance of centred vectors, pulled towards the diagonal of their variances (Ledoit and Wolf)."""
    n, k = away.shape
    # Rounding leaves a constant a little beside its own mean.
    away = np.where(away.max(axis=0) == away.min(axis=0), 0.0, away)
    variance = (away * away).mean(axis=0)
    positive = variance[variance > 0]
    smallest = float(positive.min()) if len(positive) else 1.0
    scale = np.sqrt(np.where(variance > 0, variance, smallest))
    z = away / scale
    # On the scale of correlations: features of other units would decide by their size alone otherwise.
    correlation, noise = np.empty((k, k)), 0.0
    for i in range(k):
        for j in range(i + 1):
            both = z[:, i] * z[:, j]
            correlation[i, j] = correlation[j, i] = both.mean()
            noise += (2 if j < i else 1) * float(((both - correlation[i, j]) ** 2).mean()) / n
    target = np.eye(k)
    far = float(((correlation - target) ** 2).sum())
    pull = min(noise / far, 1.0) if far > 0 else 1.0
    pulled = (1 - pull) * correlation + pull * target
    # A little more on the diagonal, for features that are sums of others.
    pulled += (1e-9 * target) + np.diag(np.where(variance > 0, 0.0, 1.0))
    out: Floats = pulled * np.outer(scale, scale)
    return out


def _cholesky(matrix: Floats) -> Floats:
    """L with L L' = matrix; in plain loops, as their rounding is the same everywhere."""
    k = len(matrix)
    lower = np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1):
            rest = float(matrix[i, j]) - sum(float(lower[i, m]) * float(lower[j, m]) for m in range(j))
            lower[i, j] = max(rest, 1e-300) ** 0.5 if i == j else rest / float(lower[j, j])
    return lower


def _inverse(lower: Floats) -> Floats:
    """The inverse of a lower triangle."""
    k = len(lower)
    out = np.zeros((k, k))
    for j in range(k):
        out[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, k):
            out[i, j] = -sum(float(lower[i, m]) * float(out[m, j]) for m in range(j, i)) / float(lower[i, i])
    return out
