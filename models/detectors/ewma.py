"""EWMA z: how many moving standard deviations a reading lies from the moving average."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from .base import Detector, Floats, Ints, Key, Scores, State, column


@dataclass
class EwmaState(State):
    """24 bytes a series."""

    seen: Ints = column()
    mean: Floats = column()
    variance: Floats = column()


class Ewma(Detector[EwmaState], frozen=True, extra="forbid"):
    """Distance from an exponentially weighted mean, in exponentially weighted standard deviations.

    The score is z^2 / (z^2 + 16): 0.5 at four standard deviations, 0.69 at six. For readings from one
    normal distribution about one in 16,000 scores above 0.5; heavier tails score more often, and this
    detector does not calibrate itself.

    Source: S. W. Roberts, Control chart tests based on geometric moving averages, Technometrics 1
    (1959) 239-250; the variance after T. Finch, Incremental calculation of weighted mean and variance
    (2009).

    >>> import numpy as np
    >>> from models.detectors.base import score_batch
    >>> detector = Ewma()
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> values = np.tile([1.0, 2.0], 50)
    >>> values[90] = 9.0
    >>> scores = score_batch(detector, state, np.zeros(100, np.int64), np.arange(100), values)
    >>> np.flatnonzero(scores.score >= detector.threshold)
    array([90])
    """

    kind: ClassVar[str] = "ewma"
    reasons: ClassVar[tuple[str, ...]] = ("", "far above the moving average", "far below the moving average")

    threshold: float = Field(default=0.69, ge=0, le=1, description="scores from here on are alarms")
    weight: float = Field(default=0.02, gt=0, lt=1, description="of the newest reading in the average")
    warmup: int = Field(default=50, ge=2, description="readings of a series before its first score")

    def start(self) -> EwmaState:
        """State for zero series."""
        return EwmaState(series=0, seen=np.empty(0, np.int64), mean=np.empty(0), variance=np.empty(0))

    def step(self, state: EwmaState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        seen, mean, variance = state.seen[key], state.mean[key], state.variance[key]
        # At first a plain average: the first readings must not weigh more than later ones.
        weight = np.maximum(self.weight, 1.0 / (seen + 1))
        off = values - mean
        square = off * off
        known = (seen >= self.warmup) & (variance > 0)
        score = np.where(known, square / (square + 16.0 * variance), 0.0)
        state.seen[key] = seen + 1
        state.mean[key] = mean + weight * off
        state.variance[key] = (1 - weight) * (variance + weight * square)
        reason = np.where(score > 0, np.where(off > 0, 1, 2), 0).astype(np.uint8)
        return Scores(score, reason)
