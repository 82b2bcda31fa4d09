"""From a trained detector's raw score to one in [0, 1] that says how rare such a score was in the training."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from .base import Arrays, Floats, Trained, across, complete, enough

SEEN = 8  # training vectors beyond the rarest knot: fewer say little of a rate
STEEPEST = 1000  # halvings beyond the training; a float knows no more


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of m vectors: calibrated in [0, 1], and raw, which is NaN where a feature is absent."""

    score: Floats
    raw: Floats


class Calibrated(BaseModel, frozen=True, extra="forbid"):
    """Scales features, perhaps projects them, has them scored, and says how rare the score is.

    With p the share of the training's vectors that score as high or higher, and a the share that ``alarms_per_10000``
    says, the score is a / (a + p). So 0.5 is the limit at which that many readings alarm on data like the training, 0.9
    is 9 times rarer than that, and it never falls as the raw score rises. Between the scores that 1, 1/2, 1/4 ... of
    the training reach, p is a straight line. Beyond the last of them, which 8 vectors reach, p halves as fast as it did
    before: rates that are rarer than 8 in the training are extrapolated.

    A vector with a feature that is absent (NaN) or infinite scores 0; in a fit it is left out.

    Source of the scaling by median and quartiles: P. J. Huber, Robust Statistics (1981), ch. 5; of the projection:
    K. Pearson, On lines and planes of closest fit, Phil. Mag. 2 (1901) 559-572.

    >>> import numpy as np
    >>> from models.trained.mahalanobis import Mahalanobis
    >>> from models.trained.numbers import draws
    >>> train = np.stack([draws(1, 0, 4000), draws(1, 1, 4000)], axis=1)
    >>> detector, calibrated = Mahalanobis(), Calibrated(alarms_per_10000=100)
    >>> arrays = calibrated.fit(detector, train)
    >>> vectors = np.array([[0.5, 0.5], [0.5, 1.5], [np.nan, 1.5]])
    >>> calibrated.judge(detector, arrays, vectors).score.round(2)
    array([0.01, 1.  , 0.  ])
    """

    kind: ClassVar[str] = "calibrated"

    scaling: Literal["robust", "standard", "none"] = Field(
        default="robust", description="median and quartiles, mean and standard deviation, or as they are"
    )
    components: int | None = Field(default=None, ge=1, description="principal components to keep; empty: no projection")
    alarms_per_10000: float = Field(default=1.0, gt=0, le=5000, description="vectors like the training that alarm")
    threshold: float = Field(default=0.5, gt=0, le=1, description="scores from here on are alarms")

    def fit(self, detector: Trained, features: Floats) -> dict[str, NDArray[Any]]:
        """All arrays: of the scaling and projection, of the detector, and of the calibration.

        features: float64[n, k] of the training range. Raises ValueError when too few are complete.
        """
        whole = features[complete(features)]
        enough(whole, detector.fewest)
        arrays: dict[str, NDArray[Any]] = dict(zip(("state/center", "state/spread"), self._spread(whole), strict=True))
        if self.components is not None:
            if self.components > whole.shape[1]:
                raise ValueError(f"{self.components} components of {whole.shape[1]} features")
            arrays["state/projection"] = _principal(self.scale(arrays, whole), self.components)
        own = detector.fit(self.scale(arrays, whole))
        if twice := sorted(set(own) & {*arrays, "state/knots", "state/rates"}):
            raise ValueError(f"arrays of one name: {', '.join(twice)}")
        return self.recalibrated(detector, arrays | own, whole)

    def recalibrated(self, detector: Trained, arrays: Arrays, features: Floats) -> dict[str, NDArray[Any]]:
        """The same arrays with a calibration on other vectors, float64[n, k], of data that is as good.

        Raises ValueError when too few are complete.
        """
        whole = features[complete(features)]
        enough(whole, detector.fewest)
        raw, rates = _knots(detector.score(arrays, self.scale(arrays, whole)))
        return {**arrays, "state/knots": raw, "state/rates": rates}

    def scale(self, arrays: Arrays, features: Floats) -> Floats:
        """What the detector gets, float64[m, components or k]; where a feature is absent, something is."""
        with np.errstate(all="ignore"):
            scaled = (features - arrays["state/center"]) / arrays["state/spread"]
            projection = arrays.get("state/projection")
            if projection is None:
                return np.asarray(scaled)
            return np.stack([across(scaled * column) for column in projection.T], axis=1)

    def calibrate(self, arrays: Arrays, raw: Floats) -> Floats:
        """Scores in [0, 1], float64[m]; 0 where the raw one is NaN."""
        alarms = self.alarms_per_10000 / 10_000
        out = np.zeros(len(raw))
        at = np.flatnonzero(~np.isnan(raw))
        out[at] = alarms / (alarms + _rate(arrays, raw[at]))
        return out

    def judge(self, detector: Trained, arrays: Arrays, features: Floats) -> Judged:
        """Scores of vectors of features, float64[m, k]: scaled, scored and calibrated."""
        raw = detector.score(arrays, self.scale(arrays, features))
        return Judged(self.calibrate(arrays, raw), raw)

    def shares(self, detector: Trained, arrays: Arrays, features: Floats) -> Floats:
        """How much of each score is each feature's, float64[m, k]; a component's share goes to its features."""
        found = detector.shares(arrays, self.scale(arrays, features))
        projection = arrays.get("state/projection")
        if projection is not None:
            return np.stack([across(found * row * row) for row in projection], axis=1)
        return found

    def _spread(self, features: Floats) -> tuple[Floats, Floats]:
        deviation = features.std(axis=0)
        deviation = np.where((deviation > 0) & (features.max(axis=0) > features.min(axis=0)), deviation, 1.0)
        if self.scaling == "none":
            return np.zeros(features.shape[1]), np.ones(features.shape[1])
        if self.scaling == "standard":
            return features.mean(axis=0), deviation
        low, middle, high = np.quantile(features, (0.25, 0.5, 0.75), axis=0)
        return middle, np.where(high > low, (high - low) / 1.349, deviation)


def _principal(scaled: Floats, count: int) -> Floats:
    """Directions of the largest variance, float64[k, count]; the largest entry of each is positive."""
    away = scaled - scaled.mean(axis=0)
    k = away.shape[1]
    covariance = np.array([[float((away[:, i] * away[:, j]).mean()) for j in range(k)] for i in range(k)])
    _, vectors = np.linalg.eigh(covariance)
    chosen = vectors[:, ::-1][:, :count]
    largest = chosen[np.abs(chosen).argmax(axis=0), np.arange(count)]
    out: Floats = np.ascontiguousarray(chosen * np.where(largest < 0, -1.0, 1.0))
    return out


def _knots(raw: Floats) -> tuple[Floats, Floats]:
    """Raw scores, strictly rising, and the share of the training that is as high or higher."""
    ranked = np.sort(raw)
    n = len(ranked)
    halves = 2.0 ** -np.arange(64)
    halves = halves[(halves * n >= SEEN) | (halves == 1.0)]
    at = ranked[n - np.ceil(halves * n).astype(np.int64)]
    # Of equal scores the larger share is the true one.
    new = np.append(True, at[1:] > at[:-1])
    return at[new], halves[new]


def _rate(arrays: Arrays, raw: Floats) -> Floats:
    """The share of the training that is expected to score as high or higher, float64[m] in (0, 1]."""
    knots, rates = arrays["state/knots"], arrays["state/rates"]
    upper = np.clip(np.searchsorted(knots, raw, side="right"), 1, max(len(knots) - 1, 1))
    with np.errstate(all="ignore"):
        if len(knots) > 1:
            part = (raw - knots[upper - 1]) / (knots[upper] - knots[upper - 1])
            inside = rates[upper - 1] + (rates[upper] - rates[upper - 1]) * np.clip(part, 0.0, 1.0)
        else:
            inside = np.full(len(raw), rates[0])
        back = max(len(knots) - 3, 0)
        # One gap is what a halving took; where all of the training scored alike, anything above is a step.
        gap = (knots[-1] - knots[back]) / max(len(knots) - 1 - back, 1) if len(knots) > 1 else 1.0
        steps = np.clip((raw - knots[-1]) / gap, 0.0, STEEPEST)
    whole = np.floor(steps)
    beyond = np.ldexp(rates[-1] * (1.0 - 0.5 * (steps - whole)), -whole.astype(np.int64))
    out: Floats = np.where(raw > knots[-1], beyond, inside)
    return out
