"""The drift agent as it is shipped: how soon it sees readings fail, how often it is wrong, how fast it is.

    .venv/bin/python -m bench.drift_agent [--cases 200] [--seed 1]

Delays are minutes until a series that is read once a minute is told as losing a fifth of its readings, or as having
them flagged, at the default of one false alarm a year. Speeds are readings/s through the whole processor, 8 channels
of an asset, with and without their 28 pairs.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.drift import Drift
from agents.parts import Context
from contracts.events import DriftDetected, ReadingsAccepted
from contracts.instants import DAY, SECOND
from contracts.readings import Readings, Series

MONDAY, BEFORE, SIZE = 20_514 * DAY, 2_000, 4_096


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--cases", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    for name, share in (("missing", 0.2), ("missing", 0.1), ("flagged", 0.2), ("flagged", 0.05)):
        print(delays(name, share, given.cases, given.seed))
    for name, share in (("missing", 0.0), ("missing", 0.05), ("missing", 0.15), ("flagged", 0.0), ("flagged", 0.1)):
        print(nothing_changes(name, share, max(given.cases // 10, 1), given.seed))
    for pairs in (0, 8):
        print(f"8 channels, pairs: {pairs}: {speed(pairs):,.0f} readings/s")


def said(part: Drift, readings: Readings) -> list[DriftDetected]:
    """What the agent says of a log of readings."""
    state, out = part.start(), list[Any]()
    for piece in replace(readings, first=1).cut(SIZE):
        out += part.handle(ReadingsAccepted(piece), state)
    return [event for event in out if isinstance(event, DriftDetected)]


def drift(**settings: Any) -> Drift:
    part = Drift.model_validate(settings)
    part.prepare(Context("drift", Path(tempfile.gettempdir())))
    return part


def log_of(channels: int, n: int, seed: int) -> Readings:
    """Channels that are read together once a minute."""
    rng, number = np.random.default_rng(seed), np.repeat(np.arange(n), channels)
    code = np.tile(np.arange(channels), n)
    names = [Series("plant", "m1", f"c{i}") for i in range(channels)]
    when = MONDAY + number * 60 * SECOND
    return Readings.of(names, code, when, rng.standard_normal(n * channels), number * channels + code)


def spoiled(name: str, before: float, after: float, n: int, seed: int) -> Readings:
    """A series of which a share is missing or flagged, another one from BEFORE on."""
    readings = log_of(1, n, seed)
    hit = np.random.default_rng([seed, 1]).random(n) < np.where(np.arange(n) < BEFORE, before, after)
    if name == "missing":
        return readings.take(np.flatnonzero(~hit))
    return replace(readings, quality=hit.astype(np.uint8))


def delays(name: str, share: float, cases: int, seed: int) -> str:
    part, change = drift(), MONDAY + BEFORE * 60 * SECOND
    told: Counter[str] = Counter()
    minutes = []
    for case in range(cases):
        found = said(part, spoiled(name, 0.0, share, BEFORE + 1_500, seed * 10_000 + case))
        late = [each for each in found if each.time >= change]
        told[late[0].kind if late else "missed"] += 1
        minutes += [(late[0].time - change) / (60 * SECOND)] if late else []
    mean, most = float(np.mean(minutes)), float(np.max(minutes))
    return f"{share:.0%} {name}: told as {dict(told)} after {mean:.1f} minutes on average, {most:.0f} at most"


def nothing_changes(name: str, share: float, cases: int, seed: int) -> str:
    n, rate = 20_000, 5.26
    part = drift(false_alarms_per_year=rate)  # 1 in 100,000 readings
    found = [said(part, spoiled(name, share, share, n, seed * 20_000 + case)) for case in range(cases)]
    kinds = Counter(event.kind for each in found for event in each)
    return f"{share:.0%} {name} all along, 1 in 100,000 tolerated: {dict(kinds)} in {cases * n:,} readings"


def speed(pairs: int) -> float:
    part, readings = drift(pairs=pairs), log_of(8, 20_000, 1)
    said(part, readings.take(slice(0, 8 * 1_200)))
    begin = time.perf_counter()
    said(part, readings)
    return len(readings) / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
