"""Readings per second of the drift test on one core, beside river's ADWIN and scipy's KS test on windows, in one run.

    python -m bench.drift_speed [--series 1000] [--seconds 2]

Ours: that many series with a reference of a week each, handed in one reading of each at a time, then in blocks of 32;
and one series alone. The peers know one series each: ADWIN learns every reading, called from a bare loop; KS compares
every 1,000 readings with the reference. Processor time, so that a busy machine changes little.
"""

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.drift import DriftTest

WEEK, MINUTE, WINDOW = 7 * 1440, 60_000_000_000, 1_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    week = 35 + 10 * rng.standard_normal(WEEK)
    adwin = _adwin(week, asked.seconds)
    windows = _windows(week, asked.seconds)
    rows: list[tuple[str, float]] = []
    for series, block in ((asked.series, 1), (asked.series, 32), (1, 1_024)):
        rate, memory = _ours(week, series, block, asked.seconds)
        rows.append((f"drift test, {series:,} series, {block:,} of each at a time ({memory:,} bytes a series)", rate))
    rows += [("river ADWIN", adwin), (f"scipy ks_2samp, windows of {WINDOW:,} against the reference", windows)]
    for name, rate in rows:
        beside = f"   {rate / adwin:6.2f} x ADWIN" if adwin else ""
        print(f"{rate:12,.0f} readings/s{beside}   {name}")
    if not adwin:
        print("river is not installed")


def _rate(tick: Callable[[int], object], readings: int, seconds: float) -> float:
    """Readings per second of processor time; each ``tick`` takes in that many."""
    tick(0)
    begun, t = time.process_time(), 1
    while time.process_time() - begun < seconds:
        tick(t)
        t += 1
    return (t - 1) * readings / (time.process_time() - begun)


def _ours(week: NDArray[np.float64], series: int, block: int, seconds: float) -> tuple[float, int]:
    test = DriftTest(false_alarms_per_sample=1e-5)
    state, reference = test.start(), test.fit(week, 1440)
    for row in range(series):
        test.adopt(state, row, reference)
    rng = np.random.default_rng(2)
    rows = np.tile(np.arange(series), block)
    pool = 35 + 10 * rng.standard_normal((max(8, 2_048 // block), len(rows)))  # soon repeated, they would be a fault

    def tick(t: int) -> None:
        times = np.repeat((WEEK + t * block + np.arange(block)) * MINUTE, series)
        alarms = test.update_batch(state, rows, times, pool[t % len(pool)])
        for row in alarms.row:
            test.rearm(state, int(row))

    return _rate(tick, series * block, seconds), state.bytes_per_series


def _adwin(week: NDArray[np.float64], seconds: float) -> float:
    """Readings per second; 0 where river is not installed."""
    if find_spec("river") is None:
        return 0.0
    from river import drift

    adwin: Any = drift.ADWIN
    detector, values = adwin(), week.tolist()

    def tick(t: int) -> None:
        for value in values[t % 10 * WINDOW : t % 10 * WINDOW + WINDOW]:
            detector.update(value)

    return _rate(tick, WINDOW, seconds)


def _windows(week: NDArray[np.float64], seconds: float) -> float:
    from scipy.stats import ks_2samp

    def tick(t: int) -> object:
        return ks_2samp(week, week[t % 10 * WINDOW : t % 10 * WINDOW + WINDOW], method="asymp").pvalue < 0.05

    return _rate(tick, WINDOW, seconds)


if __name__ == "__main__":
    main()
