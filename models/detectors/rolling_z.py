"""Rolling z: how many standard deviations of the last readings a reading lies from their mean."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from .base import Detector, Floats, Ints, Key, Scores, State, as_rows, column


@dataclass
class RollingState(State):
    """8 bytes for each reading of the window and 8 more, a series: 0.8 KB by default."""

    seen: Ints = column()
    recent: Floats = column()


class RollingZ(Detector[RollingState], frozen=True, extra="forbid"):
    """Distance from the mean of the last `window` readings, in their standard deviations.

    Mean and deviation are worked out anew from the stored readings at each step, so what has left the
    window leaves no rounding error behind. The reading itself is not among them: of independent readings
    from one normal distribution z / sqrt(1 + 1 / window) has Student's t distribution with window - 1
    degrees of freedom. The score is z^2 / (z^2 + 16): 0.5 at four standard deviations, which about one such
    reading in 7,600 exceeds, 0.69 at six. A constant window scores nothing. One large reading hides others
    for as long as it is in the window; `mad` is the robust choice.

    Source: G. J. Hahn, Factors for calculating two-sided prediction intervals for samples from a normal
    distribution, JASA 64 (1969) 878-888.

    >>> import numpy as np
    >>> from models.detectors.base import score_batch
    >>> detector = RollingZ(window=20)
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> values = np.tile([1.0, 2.0], 50)
    >>> values[90] = 9.0
    >>> scores = score_batch(detector, state, np.zeros(100, np.int64), np.arange(100), values)
    >>> np.flatnonzero(scores.score >= detector.threshold)
    array([90])
    """

    kind: ClassVar[str] = "rolling_z"
    reasons: ClassVar[tuple[str, ...]] = ("", "far above the recent mean", "far below the recent mean")

    threshold: float = Field(default=0.69, ge=0, le=1, description="scores from here on are alarms")
    window: int = Field(default=100, ge=5, le=2047, description="readings that a reading is compared with")

    def start(self) -> RollingState:
        """State for zero series."""
        return RollingState(series=0, seen=np.empty(0, np.int64), recent=np.empty((0, self.window)))

    def step(self, state: RollingState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        rows, seen = as_rows(key), state.seen[key]
        score, reason = np.zeros(len(rows)), np.zeros(len(rows), np.uint8)
        full = np.flatnonzero(seen >= self.window)
        if len(full):
            score[full], reason[full] = self._distance(state.recent[rows[full]], values[full])
        state.recent[rows, seen % self.window] = values
        state.seen[key] = seen + 1
        return Scores(score, reason)

    def _distance(self, recent: Floats, values: Floats) -> tuple[Floats, Ints]:
        # From a reading of the window on: what is equal differs by nothing then, and large levels cost no digits.
        origin = recent[:, :1]
        off = recent - origin
        # cumsum adds one by one: its result does not depend on how many series are scored.
        mean = np.cumsum(off, axis=1)[:, -1] / self.window
        spread = off - mean[:, None]
        variance = np.cumsum(spread * spread, axis=1)[:, -1] / (self.window - 1)
        away = (values - origin[:, 0]) - mean
        square = away * away
        score = np.where(variance > 0, square / (square + 16.0 * variance), 0.0)
        return score, np.where(score > 0, np.where(away > 0, 1, 2), 0)
