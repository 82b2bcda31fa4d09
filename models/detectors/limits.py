"""Static limits: a reading outside the band that an engineer has set."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from .base import Detector, Floats, Ints, Key, Scores, State, column


@dataclass
class LimitsState(State):
    """8 bytes a series: on which side of the band it is."""

    side: Ints = column()


class Limits(Detector[LimitsState], frozen=True, extra="forbid"):
    """A reading outside the band [low, high] scores 1, any other 0.

    A reading that comes back is inside again once it is so by `deadband`; until then it scores 1 as
    well, so that a series which wavers about a limit is one alarm.

    Source: W. A. Shewhart, Economic Control of Quality of Manufactured Product (1931), with limits
    given instead of computed; the dead band after ISA-18.2, Management of Alarm Systems for the
    Process Industries (2016).

    >>> import numpy as np
    >>> detector = Limits(low=0.0, high=10.0, deadband=0.5)
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> [float(detector.score(state, np.array([0]), np.array([t]), np.array([x])).score[0])
    ...  for t, x in enumerate([9.8, 11.0, 9.8, 9.0, -1.0])]
    [0.0, 1.0, 1.0, 0.0, 1.0]
    """

    kind: ClassVar[str] = "limits"
    revision: ClassVar[int] = 2
    reasons: ClassVar[tuple[str, ...]] = ("", "above the upper limit", "below the lower limit")
    affine: ClassVar[bool] = False

    low: float = Field(default=-1e150, description="lower limit, in the unit of the readings")
    high: float = Field(default=1e150, description="upper limit, in the unit of the readings")
    deadband: float = Field(default=0.0, ge=0, description="how far inside a reading is back, in their unit")

    @model_validator(mode="after")
    def _ordered(self) -> "Limits":
        if not self.low <= self.high:
            raise ValueError(f"low ({self.low}) must not exceed high ({self.high})")
        if not self.deadband <= self.high - self.low:
            raise ValueError(f"deadband ({self.deadband}) is wider than the band")
        return self

    def start(self) -> LimitsState:
        """State for zero series."""
        return LimitsState(series=0, side=np.empty(0, np.int64))

    def step(self, state: LimitsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`."""
        side = np.where(values > self.high, 1, np.where(values < self.low, 2, 0))
        last = state.side[key]
        above = (last == 1) & (values > self.high - self.deadband)
        below = (last == 2) & (values < self.low + self.deadband)
        side = np.where(side != 0, side, np.where(above, 1, np.where(below, 2, 0)))
        state.side[key] = side
        return Scores((side != 0).astype(np.float64), side.astype(np.uint8))
