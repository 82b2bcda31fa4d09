"""Readings per second of each detector, beside a plain numpy pass over the same readings.

    python -m bench.detectors [--kind records ...] [--seconds 3] [--json]

Series arrive in lockstep: one tick holds one reading of each. `numpy` is the limit: a moving average,
a comparison and a sum per reading. `river` is the peer: its half-space trees with the scaling that they need,
one reading at a time; it has no other way. After a warm-up the ticks are timed one by one; `p99_ms` is the
tick's 99th percentile, `aged` the rate after many more readings (the cost must not grow with age).
`vs_numpy` and `vs_river` are ratios of rates. `us_by_age` says what a reading of one series costs, in batches
of 256 of a random walk, which never repeats itself, after so many readings.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from models.detectors import DETECTORS, score_batch  # noqa: E402  # after the path is set

Tick = Callable[[int], object]
AGES = (1_000, 10_000, 100_000, 1_000_000)
PERIOD = 1021  # prime, so that no detector's window falls in step with it


def signal(series: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """float64[1021, series]: waves with noise, another phase for each series, and rare spikes."""
    rng = np.random.default_rng(5)
    phase = rng.uniform(0, 2 * np.pi, series)
    waves = np.sin(np.arange(PERIOD)[:, None] / 40 + phase) + rng.normal(0, 0.1, (PERIOD, series))
    out: np.ndarray[Any, np.dtype[np.float64]] = np.where(rng.random((PERIOD, series)) < 0.0005, waves + 8, waves)
    return out


def measured(tick: Tick, series: int, seconds: float, start: int = 0) -> tuple[dict[str, float], int]:
    """Rate and tick quantiles over `seconds`, and the number of the next tick."""
    taken, t = [], start
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        tick(t)
        taken.append(time.perf_counter() - now)
        t += 1
    rate = series * len(taken) / sum(taken)
    p99 = 1e3 * float(np.quantile(taken, 0.99))
    return {"readings_per_s": round(rate), "p99_ms": round(p99, 3)}, t


def detector_tick(kind: str, series: int) -> tuple[Tick, float]:
    """A tick over all series, and the bytes of state per series."""
    detector = DETECTORS[kind]()
    state = detector.start()
    detector.grow(state, series)
    values, rows = signal(series), np.arange(series)
    bytes_each = sum(array.nbytes / len(array) for _, array, _ in state.arrays())

    def tick(t: int) -> object:
        times = np.full(series, t * 1_000_000_000)
        return detector.score(state, rows, times, values[t % PERIOD])

    return tick, bytes_each


def numpy_tick(series: int) -> Tick:
    """What any detector must at least do."""
    values, mean = signal(series), np.zeros(series)

    def tick(t: int) -> object:
        off = values[t % PERIOD] - mean
        np.add(mean, 0.02 * off, out=mean)
        return (np.abs(off) > 3).sum()

    return tick


def batch_rate(kind: str, seconds: float) -> float:
    """Readings per second of one series that comes in batches of 256."""
    detector = DETECTORS[kind]()
    state = detector.start()
    detector.grow(state, 1)
    rows, values = np.zeros(256, np.int64), np.tile(signal(1)[:, 0], 4)

    def tick(t: int) -> object:
        first = 256 * t % PERIOD
        times = (256 * t + np.arange(256)) * 1_000_000_000
        return score_batch(detector, state, rows, times, values[first : first + 256])

    for t in range(8):
        tick(t)
    return measured(tick, 256, seconds, 8)[0]["readings_per_s"]


def river_rate(seconds: float) -> float | None:
    """Readings per second of river's half-space trees; None where river is not installed."""
    if find_spec("river") is None:
        print("river is not installed: vs_river is null", file=sys.stderr)
        return None
    from river import anomaly, preprocessing

    model: Any = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=42)
    values = signal(1)[:, 0].tolist()

    def tick(t: int) -> None:
        for value in values[t % 10 * 100 : t % 10 * 100 + 100]:
            model.score_one({"x": value})
            model.learn_one({"x": value})

    for t in range(10):
        tick(t)
    return measured(tick, 100, seconds)[0]["readings_per_s"]


def cost_by_age(kind: str) -> dict[str, float]:
    """Microseconds for a reading of one series after so many, the least of ten rounds each."""
    detector = DETECTORS[kind]()
    state = detector.start()
    detector.grow(state, 1)
    walk = np.cumsum(np.random.default_rng(6).standard_normal(AGES[-1] + 11 * 2560))
    rows, out, t = np.zeros(256, np.int64), {}, 0

    def batch() -> float:
        nonlocal t
        begun = time.perf_counter()
        score_batch(detector, state, rows, (t + np.arange(256)) * 1_000_000_000, walk[t : t + 256])
        t += 256
        return time.perf_counter() - begun

    for age in AGES:
        while t < age:
            batch()
        out[f"{age:,}"] = round(min(sum(batch() for _ in range(10)) for _ in range(10)) / 2560 * 1e6, 2)
    return out


def bench(kinds: list[str], series: int, seconds: float, river: float | None) -> dict[str, Any]:
    """All kinds and the limit for one number of series."""
    numpy = measured(numpy_tick(series), series, min(seconds, 1))[0]
    out: dict[str, Any] = {"numpy": numpy, "river": {"readings_per_s": river}}
    for kind in kinds:
        tick, bytes_each = detector_tick(kind, series)
        for t in range(600):
            tick(t)
        young, t = measured(tick, series, seconds, 600)
        aged, t = measured(tick, series, seconds, t)
        out[kind] = {
            **young,
            "aged_readings_per_s": aged["readings_per_s"],
            "aged_p99_ms": aged["p99_ms"],
            "readings_seen_each": t,
            "bytes_per_series": round(bytes_each),
            "vs_numpy": round(young["readings_per_s"] / numpy["readings_per_s"], 3),
            "vs_river": round(young["readings_per_s"] / river, 1) if river else None,
        }
        if series == 1:
            out[kind]["in_batches_of_256"] = batch_rate(kind, seconds)
            if kind == "records":
                out[kind]["us_by_age"] = cost_by_age(kind)
    return out


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kind", choices=sorted(DETECTORS), action="append")
    parser.add_argument("--series", type=int, action="append")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    kinds = given.kind or sorted(DETECTORS)
    river = river_rate(min(given.seconds, 2))
    result = {str(n): bench(kinds, n, given.seconds, river) for n in given.series or [1, 1_000, 10_000]}
    if given.json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    for series, rows in result.items():
        for kind, row in rows.items():
            sys.stdout.write(f"{series:>6} series  {kind:<10} {row}\n")


if __name__ == "__main__":
    main()
