"""The three parts of a range, by event time: what detectors are fitted on, calibrated on and compared on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.training import TrainingPlan

Ints = NDArray[np.int64]
FIT, CALIBRATE, COMPARE = range(3)


@dataclass(frozen=True)
class Split:
    """Event times in ns. A part ends before the next one begins, so that nothing is learned from what comes later.

    since           first reading
    calibrate_from  first time of the second part
    compare_from    first time of the third part
    until           last reading
    """

    since: int
    calibrate_from: int
    compare_from: int
    until: int

    @classmethod
    def of(cls, plan: TrainingPlan, since: int, until: int) -> "Split":
        """The parts of a range as the plan wants them."""
        # In whole thousandths: floats of nanoseconds would depend on how they are multiplied.
        fit, both = round(plan.fit_share * 1000), round((plan.fit_share + plan.calibrate_share) * 1000)
        length = until - since
        return cls(since, since + length * fit // 1000, since + length * both // 1000, until)

    def parts(self, times: Ints) -> Ints:
        """FIT, CALIBRATE or COMPARE for each event time, int64[n]."""
        return np.searchsorted(np.array([self.calibrate_from, self.compare_from]), times, side="right")
