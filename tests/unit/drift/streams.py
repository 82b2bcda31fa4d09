"""Streams for the drift tests: a clean week at one reading a minute, and what may become of it."""

import numpy as np
from numpy.typing import NDArray

from models.drift import Alarms, DriftTest, State

F64 = NDArray[np.float64]
WEEK = 7 * 1440
MINUTE = 60_000_000_000


def noise(seed: int, n: int) -> F64:
    return 35 + 10 * np.random.default_rng(seed).standard_normal(n)


def autocorrelated(seed: int, n: int, phi: float) -> F64:
    e = np.random.default_rng(seed).standard_normal(n) * (1 - phi * phi) ** 0.5
    out = np.empty(n)
    level = 0.0
    for i in range(n):
        level = phi * level + e[i]
        out[i] = level
    return 35 + 10 * out


def watch(reference: F64, rate: float = 1e-5, per_day: float | None = 1440) -> tuple[DriftTest, State]:
    """A test at one tolerated false alarm in 100,000 readings, with one series in row 0."""
    test = DriftTest(false_alarms_per_sample=rate)
    state = test.start()
    test.adopt(state, 0, test.fit(reference, per_day))
    return test, state


def feed(test: DriftTest, state: State, values: F64, first: int = WEEK, row: int = 0) -> Alarms:
    times = (first + np.arange(len(values), dtype=np.int64)) * MINUTE
    return test.update_batch(state, np.full(len(values), row, np.int64), times, values)
