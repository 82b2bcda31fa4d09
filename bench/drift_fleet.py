"""A fleet under the drift agent: false findings while nothing changes, and what is found where 1 % of series drift.

    python -m bench.drift_fleet [--series 10000] [--readings 2000] [--size 0.5] [--bound 20]

Four channels to an asset, a reading a minute, references of 500 readings. The budget of the fleet
(fleet_false_alarms_per_year) is set so that at most ``--bound`` false alarms are expected in the run. Half of the
series are independent noise, half follow their own past (AR 0.7). Every hundredth series shifts by ``--size`` standard
deviations from a quarter of the run on; the others never change. ``--size 0``: nothing changes.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.drift import Drift
from agents.parts import Context
from contracts.events import DriftDetected, ReadingsAccepted
from contracts.readings import Readings, Series

MINUTE = 60_000_000_000
REFERENCE, CHANNELS, STEPS = 500, 4, 8
YEAR = 1_440 * 365.25


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("series", 10_000), ("readings", 2_000), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--size", type=float, default=0.5)
    parser.add_argument("--bound", type=float, default=20.0)
    asked = parser.parse_args()
    budget = asked.bound * YEAR / asked.readings
    each = budget / (1 << (asked.series - 1).bit_length())
    print(
        f"{asked.series:,} series, {asked.readings:,} readings of each: {budget:,.0f} false alarms a year in the fleet,"
    )
    print(f"  so {each:.3f} in a series, and at most {each * asked.series * asked.readings / YEAR:.1f} in this run")
    begun = time.perf_counter()
    found = run(asked.series, asked.readings, budget, asked.size, asked.seed)
    show(found, asked.series, asked.readings, asked.size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total, took = asked.series * (asked.readings + REFERENCE), time.perf_counter() - begun
    print(f"  {took:.0f} s, {total / took:,.0f} readings/s with making them and fitting, peak {peak:,.0f} MB")


def run(series: int, readings: int, budget: float, size: float, seed: int) -> list[DriftDetected]:
    """What is told; drifting series are every hundredth."""
    part = Drift(fleet_false_alarms_per_year=budget, false_alarms_per_year=1e6, reference_readings=REFERENCE)
    with tempfile.TemporaryDirectory() as folder:
        part.prepare(Context("drift", Path(folder)))
    state, found = part.start(), list[Any]()
    names = [Series("fleet", f"a{i // CHANNELS}", f"c{i % CHANNELS}") for i in range(series)]
    rng, level = np.random.default_rng(seed), np.zeros(series)
    phi = np.where(np.arange(series) % 2, 0.7, 0.0)
    drifting, after = np.arange(series) % 100 == 0, REFERENCE + readings // 4
    code = np.tile(np.arange(series, dtype=np.int32), STEPS)
    for start in range(0, REFERENCE + readings, STEPS):
        table = np.empty((STEPS, series))
        for i in range(STEPS):
            level = phi * level + rng.standard_normal(series) * np.sqrt(1 - phi * phi)
            table[i] = level + size * (drifting & (start + i >= after))
        number = np.repeat(np.arange(start, start + STEPS), series)
        batch = Readings.of(names, code, number * MINUTE, table.ravel(), number)
        found += part.handle(ReadingsAccepted(batch), state)
    return found


def show(found: list[DriftDetected], series: int, readings: int, size: float) -> None:
    """False findings, and of those that drift how many were found, and when."""
    numbers = [CHANNELS * int(event.asset[1:]) + int(event.channel[1:]) for event in found]
    begins = (REFERENCE + readings // 4) * MINUTE
    true = np.array(
        [number % 100 == 0 and size > 0 and event.time >= begins for number, event in zip(numbers, found, strict=True)]
    )
    own = np.array([not event.part_of for event in found], np.bool_)
    false = len(found) - int(true.sum())
    print(
        f"shift {size:g} sd: {len(found)} drifts in {int(own.sum())} findings; "
        f"{false} false ({false / series:.3%} of series)"
    )
    if size:
        late: NDArray[np.float64] = np.array(
            [(e.time - begins) / MINUTE for e, ok in zip(found, true, strict=True) if ok]
        )
        print(
            f"  found {true.sum()} of {len(range(0, series, 100))} ({true.sum() / len(range(0, series, 100)):.0%}), "
            f"mean delay {late.mean():.0f} readings; false among all told: {false / max(len(found), 1):.1%}"
        )


if __name__ == "__main__":
    main()
