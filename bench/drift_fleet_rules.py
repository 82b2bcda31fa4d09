"""Two rules for a fleet on the same evidence: an even share of the budget for each series, and e-BH.

    python -m bench.drift_fleet_rules [--series 10000] [--size 0.5] [--readings 500]

Every hundredth series shifts by ``--size`` standard deviations after 400 readings; residuals are independent and the
reference is known exactly, so that only the rules differ. Both tolerate what an even share of 20 false alarms in 2,000
readings gives each series. e-BH (Wang & Ramdas, 2022; on e-detectors: Dandapanthula & Ramdas, arXiv 2501.04130) looks
after each reading and alarms the k series with the most evidence where the k-th exceeds a k-th of that limit.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from models.drift.bets import SLOTS, WEIGHTS, book

QUIET, TOLERATED = 400, 20 / 2_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--size", type=float, default=0.5)
    parser.add_argument("--readings", type=int, default=500)
    asked = parser.parse_args()
    drifting = np.arange(asked.series) % 100 == 0
    for rule, first in run(drifting, asked.size, asked.readings).items():
        delay = first[drifting] - QUIET + 1
        found = delay[delay <= asked.readings]
        false = int((first[~drifting] < QUIET + asked.readings).sum())
        after = f", after {found.mean():.0f} readings on average" if len(found) else ""
        print(f"{rule}: found {len(found)} of {drifting.sum()}{after}; {false} false")


def run(drifting: NDArray[np.bool_], size: float, readings: int) -> dict[str, NDArray[np.int64]]:
    """For each rule the step at which each series alarms first; far beyond the end where it never does."""
    from scipy.special import ndtr

    tables, series = book().tables[: book().cells, : len(WEIGHTS)], len(drifting)
    limit = (1 << (series - 1).bit_length()) / TOLERATED
    rng, evidence = np.random.default_rng(3), np.zeros((series, len(WEIGHTS)))
    never = QUIET + readings + 1
    first = {"even share": np.full(series, never), "e-BH": np.full(series, never)}
    for t in range(QUIET + readings):
        z = rng.standard_normal(series) + size * drifting * (t >= QUIET)
        cell = book().cell_of_slot[np.minimum((ndtr(z) * SLOTS).astype(np.int64), SLOTS - 1)]
        evidence = (1 + evidence) * tables[cell]
        total = evidence @ WEIGHTS
        enough = np.flatnonzero(-np.sort(-total) >= limit / np.arange(1, series + 1))
        told = {"even share": limit, "e-BH": limit / (enough[-1] + 1) if len(enough) else np.inf}
        for rule, least in told.items():
            first[rule] = np.where(total >= least, np.minimum(first[rule], t), first[rule])
    return first


if __name__ == "__main__":
    main()
