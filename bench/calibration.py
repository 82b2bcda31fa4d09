"""Alarms in 10,000 readings where nothing happens, beside the number that the score states, by age.

    python -m bench.calibration [--kind records] [--series 100] [--readings 20000] [--json]

A score s of `records` states 10^(4 - 6 s) alarms in 10,000 readings with the threshold there; of the other detectors
only the rates are printed. The streams are simulated: noise of several kinds, noise that depends on its past, a daily
pattern, whole numbers, a random walk, and a machine that is switched on and off. Nothing ever happens in them.
"""

import argparse
import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from models.detectors import DETECTORS, Detector, score_batch  # noqa: E402  # after the path is set

Values = np.ndarray[Any, np.dtype[np.float64]]
AGES = (0, 300, 1_000, 5_000, 20_000, 100_000)
SCORES = (0.4, 0.5, 0.6)  # beside the detector's own threshold
DAY, CYCLE = 288, 48


def _dependent(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    out = rng.normal(size=shape)
    for row in range(1, len(out)):
        out[row] += 0.7 * out[row - 1]
    return out


def _clock(rng: np.random.Generator, shape: tuple[int, int], period: int) -> Values:
    """Where each series is in its period, from 0 to 1."""
    out: Values = ((np.arange(shape[0])[:, None] + rng.integers(0, period, shape[1])) % period) / period
    return out


STREAMS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Values]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.random(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "lognormal": lambda rng, shape: np.exp(rng.normal(size=shape)),
    "heavy tails (t, 3)": lambda rng, shape: rng.standard_t(3, shape),
    "AR(1), 0.7": _dependent,
    "daily wave": lambda rng, shape: 10 * np.sin(2 * np.pi * _clock(rng, shape, DAY)) + rng.normal(size=shape),
    "whole numbers": lambda rng, shape: np.round(rng.normal(20, 1.5, shape)),
    "counts": lambda rng, shape: rng.poisson(3, shape).astype(np.float64),
    "random walk": lambda rng, shape: np.cumsum(rng.normal(size=shape), axis=0),
    "on and off": lambda rng, shape: np.where(_clock(rng, shape, CYCLE) < 0.4, 60.0, 0.0) + rng.normal(size=shape),
}


def scores(detector: Detector[Any], values: Values) -> Values:
    """Scores [readings, series] of series that are read in step."""
    count, series = values.shape
    state = detector.start()
    detector.grow(state, series)
    rows, times = np.tile(np.arange(series), count), np.repeat(np.arange(count) * 300_000_000_000, series)
    return score_batch(detector, state, rows, times, values.ravel()).score.reshape(values.shape)


def stated(score: float) -> float:
    """Alarms in 10,000 readings with the threshold at a score, as the score says."""
    return float(10 ** (4 - 6 * score))


def rates(found: Values, threshold: float, ages: tuple[int, ...]) -> list[float]:
    """Alarms in 10,000 readings between one age and the next."""
    return [1e4 * float((found[a:b] >= threshold).mean()) for a, b in pairwise(ages)]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kind", choices=sorted(DETECTORS), default="records")
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--readings", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    detector = DETECTORS[given.kind]()
    ages = tuple(age for age in AGES if age <= given.readings)
    table: dict[str, dict[str, list[float]]] = {}
    for name, made in STREAMS.items():
        found = scores(detector, made(np.random.default_rng(1), (given.readings, given.series)))
        table[name] = {str(each): rates(found, each, ages) for each in sorted({detector.threshold, *SCORES})}
    if given.json:
        sys.stdout.write(json.dumps({"ages": ages, "rates": table}) + "\n")
        return
    bands = "".join(f"{f'{a:,}-{b:,}':>16}" for a, b in pairwise(ages))
    for score in next(iter(table.values())):
        note = f"states {stated(float(score)):.3g}" if given.kind == "records" else "alarms in 10,000"
        sys.stdout.write(f"\n{f'score {score}: {note}':<26}{bands}\n")
        for name, by_score in table.items():
            sys.stdout.write(f"{name:<26}" + "".join(f"{rate:>16.2f}" for rate in by_score[score]) + "\n")


if __name__ == "__main__":
    main()
