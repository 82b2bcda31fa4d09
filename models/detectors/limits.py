"""Static limits: a reading outside the band that an engineer has set."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from .base import Detector, Floats, Ints, Key, Scores, State, column


@dataclass
class LimitsState(State):
    """8 bytes a series: on which side of the band its last reading was."""

    side: Ints = column()


class Limits(Detector[LimitsState], frozen=True, extra="forbid"):
    """Alarm once when a series leaves the band [low, high], and again only after it came back.

    The score is 1 for the reading that leaves the band (or crosses to its other side), else 0.

    Source: W. A. Shewhart, Economic Control of Quality of Manufactured Product (1931), with limits
    given instead of computed.

    >>> import numpy as np
    >>> detector = Limits(low=0.0, high=10.0)
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> [float(detector.score(state, np.array([0]), np.array([t]), np.array([x])).score[0])
    ...  for t, x in enumerate([5.0, 11.0, 12.0, 9.0, -1.0])]
    [0.0, 1.0, 0.0, 0.0, 1.0]
    """

    kind: ClassVar[str] = "limits"
    reasons: ClassVar[tuple[str, ...]] = ("", "above the upper limit", "below the lower limit")
    affine: ClassVar[bool] = False

    low: float = Field(default=-1e150, description="lower limit, in the unit of the readings")
    high: float = Field(default=1e150, description="upper limit, in the unit of the readings")

    @model_validator(mode="after")
    def _ordered(self) -> "Limits":
        if not self.low <= self.high:
            raise ValueError(f"low ({self.low}) must not exceed high ({self.high})")
        return self

    def start(self) -> LimitsState:
        """State for zero series."""
        return LimitsState(series=0, side=np.empty(0, np.int64))

    def step(self, state: LimitsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`."""
        side = np.where(values > self.high, 1, np.where(values < self.low, 2, 0))
        new = (side != 0) & (side != state.side[key])
        state.side[key] = side
        return Scores(new.astype(np.float64), np.where(new, side, 0).astype(np.uint8))
