"""Fitting one detector: its state from the first part of a range, the meaning of its scores from the second."""

import numpy as np
from numpy.typing import NDArray

from contracts.errors import NotFound

from .contender import Contender

Floats = NDArray[np.float64]


def fit(contender: Contender, learned: Floats, tail: Floats, alarms: float) -> None:
    """Fit to ``learned``, float64[n, k], and calibrate on ``tail``, float64[m, k], of a later time.

    A detector reaches vectors that it was fitted to better than any others: calibrated on these it would alarm more
    often than it says. ``alarms`` are how many of 10,000 vectors like ``tail`` shall alarm.
    Raises NotFound when there are too few.
    """
    from ..trained import Calibrated

    postprocessor = Calibrated(alarms_per_10000=alarms)
    try:
        fitted = postprocessor.fit(contender.detector, learned)
        contender.arrays = postprocessor.recalibrated(contender.detector, fitted, tail)
    except ValueError as error:
        raise NotFound(f"detector {contender.label}: {error}", mend="Ask for a longer range.") from error
    contender.postprocessor, contender.threshold = postprocessor, postprocessor.threshold
