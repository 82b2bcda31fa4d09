"""Readings that a regular series did not get: the hole that they leave in its times, as missing readings.

Whether a reading never came or was rejected shows in the same way in what was accepted: the next one is late by some
intervals. A hole of up to 3 readings counts as what it is. A longer one counts as one, whatever its
length: beyond 4 the past no longer predicts (``residuals.GAP``), and an outage is one event, told as such elsewhere;
many of them are told by the test all the same.
"""

import numpy as np

from contracts.instants import DAY

from .residuals import GAP
from .words import F64, I64


def missed(steps: I64, interval: F64) -> I64:
    """How many missing readings stand for each hole, int64[n].

    ``steps``: int64[n], ns since the newest reading before; ``interval``: float64[n], the series' usual one, 0 where it
    has none.
    """
    usual = np.where(interval > 0, interval, np.inf)
    # Half-way between two intervals is still the first: jitter is no hole.
    holes = np.ceil(steps / usual - 0.5).astype(np.int64) - 1
    return np.where(holes < GAP, np.maximum(holes, 0), 1)


def filled(times: I64, values: F64, samples_per_day: float | None) -> tuple[I64, F64]:
    """Readings of one series, oldest first, with NaN where one is missing; as they came where nothing is regular."""
    if not samples_per_day or len(times) < 2:
        return times, values
    interval = DAY / samples_per_day
    newest = np.maximum.accumulate(times)
    holes = np.append(0, missed(times[1:] - newest[:-1], np.full(len(times) - 1, interval)))
    if not holes.any():
        return times, values
    place = np.arange(len(times)) + np.cumsum(holes)
    out, clock = np.full(int(place[-1]) + 1, np.nan), np.zeros(int(place[-1]) + 1, np.int64)
    out[place], clock[place] = values, times
    which, nth = spread(holes)
    clock[place[which] - holes[which] + nth] = newest[which - 1] + ((nth + 1) * interval).astype(np.int64)
    return clock, out


def spread(holes: I64) -> tuple[I64, I64]:
    """For each missing reading the reading behind its hole, and its number within the hole from 0, int64[sum] each."""
    which = np.repeat(np.arange(len(holes)), holes)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(holes) - holes, holes)
    return which, nth
