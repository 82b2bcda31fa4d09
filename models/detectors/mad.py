"""MAD: distance from the median of the recent past, in median absolute deviations."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from .base import Detector, Floats, Ints, Key, Scores, State, as_rows, column


@dataclass
class MadState(State):
    """8 bytes for each reading of the window and 8 more, a series: 0.5 KB by default."""

    seen: Ints = column()
    recent: Floats = column(np.inf)


class Mad(Detector[MadState], frozen=True, extra="forbid"):
    """Robust z-score over the last `window` readings: up to half of them may be outliers.

    With r = |x - median| / (1.4826 MAD) the score is r^2 / (r^2 + 36): 0.5 at six robust standard
    deviations. When more than half of the window is one value the mean absolute deviation stands in
    for the MAD; a constant window scores nothing.

    Source: F. R. Hampel, The influence curve and its role in robust estimation, JASA 69 (1974)
    383-393; the substitute after B. Iglewicz and D. Hoaglin, How to Detect and Handle Outliers (1993).

    >>> import numpy as np
    >>> from models.detectors.base import score_batch
    >>> detector = Mad()
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> values = np.arange(100.0) % 7
    >>> values[90] = 60.0
    >>> scores = score_batch(detector, state, np.zeros(100, np.int64), np.arange(100), values)
    >>> np.flatnonzero(scores.score >= detector.threshold)
    array([90])
    """

    kind: ClassVar[str] = "mad"
    reasons: ClassVar[tuple[str, ...]] = ("", "far above the recent median", "far below the recent median")

    window: int = Field(default=63, ge=5, le=2047, description="readings; an odd number has one median")

    def start(self) -> MadState:
        """State for zero series."""
        return MadState(series=0, seen=np.empty(0, np.int64), recent=np.empty((0, self.window)))

    def step(self, state: MadState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        rows = as_rows(key)
        seen = state.seen[key]
        score, reason = np.zeros(len(rows)), np.zeros(len(rows), np.uint8)
        full = np.flatnonzero(seen >= self.window)
        if len(full):
            score[full], reason[full] = self._robust(state.recent[rows[full]], values[full])
        state.recent[rows, seen % self.window] = values
        state.seen[key] = seen + 1
        return Scores(score, reason)

    def _robust(self, recent: Floats, values: Floats) -> tuple[Floats, Ints]:
        half = self.window // 2
        median = np.partition(recent, half, axis=1)[:, half]
        off = np.abs(recent - median[:, None])
        mad = np.partition(off, half, axis=1)[:, half]
        scale = 1.4826 * mad
        flat = np.flatnonzero(mad == 0)
        if len(flat):
            # cumsum adds one by one: its result does not depend on how many series are scored.
            scale[flat] = 1.2533 * np.cumsum(off[flat], axis=1)[:, -1] / self.window
        away = values - median
        square, scale = away * away, scale * scale
        score = np.where(scale > 0, square / (square + 36.0 * scale), 0.0)
        return score, np.where(score > 0, np.where(away > 0, 1, 2), 0)
