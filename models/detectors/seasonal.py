"""Seasonal profile: distance from what is usual at this time of day (or of another period)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from .base import Detector, Floats, Ints, Key, Scores, State, as_rows, column


@dataclass
class SeasonalState(State):
    """16 bytes for each bin of the period and 16 more, a series: 0.8 KB by default."""

    seen: Ints = column()
    level: Floats = column()
    total: Ints = column()
    variance: Floats = column()


class Seasonal(Detector[SeasonalState], frozen=True, extra="forbid"):
    """Distance from the mean of the same bin of the period, in standard deviations of such distances.

    The period is cut into equal bins by event time; each keeps an exponentially weighted mean. A bin
    that has not been filled yet scores nothing. The score is z^2 / (z^2 + 16): 0.5 at four standard
    deviations, 0.69 at six.

    Source: C. C. Holt and P. R. Winters, Forecasting sales by exponentially weighted moving averages,
    Management Science 6 (1960) 324-342, the seasonal term alone.

    >>> import numpy as np
    >>> from models.detectors.base import score_batch
    >>> detector = Seasonal(period_s=24, bins=24)
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> times = np.arange(24 * 20) * 1_000_000_000
    >>> values = np.sin(np.arange(24 * 20) * np.pi / 12) + np.tile([0.1, -0.1], 240)
    >>> values[402] = -1.0  # an ordinary value at the wrong time of day
    >>> scores = score_batch(detector, state, np.zeros(480, np.int64), times, values)
    >>> np.flatnonzero(scores.score >= detector.threshold)
    array([402])
    """

    kind: ClassVar[str] = "seasonal"
    reasons: ClassVar[tuple[str, ...]] = (
        "",
        "far above the usual for this time of the period",
        "far below the usual for this time of the period",
    )

    threshold: float = Field(default=0.69, ge=0, le=1, description="scores from here on are alarms")
    period_s: int = Field(default=86_400, gt=0, description="length of the period in seconds")
    bins: int = Field(default=48, ge=1, le=1440, description="equal parts of the period")
    weight: float = Field(default=0.1, gt=0, lt=1, description="of the newest reading in its bin's mean")
    warmup: int = Field(default=3, ge=1, description="readings of a bin before it scores")

    def start(self) -> SeasonalState:
        """State for zero series."""
        counts, bins = np.empty(0, np.int64), (0, self.bins)
        return SeasonalState(
            series=0, seen=np.empty(bins, np.int64), level=np.empty(bins), total=counts, variance=np.empty(0)
        )

    def step(self, state: SeasonalState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        rows, period = as_rows(key), self.period_s * 1_000_000_000
        # What is left when the bins do not divide the period belongs to the first one.
        place = (times % period) // max(period // self.bins, 1) % self.bins
        seen, level = state.seen[rows, place], state.level[rows, place]
        total, variance = state.total[rows], state.variance[rows]
        off = values - level
        square = off * off
        filled = seen >= self.warmup
        known = filled & (total >= 30) & (variance > 0)
        score = np.where(known, square / (square + 16.0 * variance), 0.0)
        # At first plain averages: the first readings must not weigh more than later ones.
        state.level[rows, place] = level + np.maximum(self.weight, 1.0 / (seen + 1)) * off
        state.seen[rows, place] = seen + 1
        spread = variance + np.maximum(0.01, 1.0 / (total + 1)) * (square - variance)
        state.variance[rows] = np.where(filled, spread, variance)
        state.total[rows] = total + filled
        reason = np.where(score > 0, np.where(off > 0, 1, 2), 0).astype(np.uint8)
        return Scores(score, reason)
