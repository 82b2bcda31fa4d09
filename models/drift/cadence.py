"""How often a series is read."""

import numpy as np

from contracts.instants import DAY

from .words import I64

#: A cadence counts as regular when so many steps are within a tenth of the median.
_REGULAR = 0.8


def cadence_of(times: I64) -> float | None:
    """Readings per day of a regular series; None where the steps differ too much for a time of day to mean a phase."""
    steps = np.diff(times)
    typical = float(np.median(steps))
    if typical <= 0 or np.mean(np.abs(steps - typical) <= 0.1 * typical) < _REGULAR:
        return None
    return DAY / typical
