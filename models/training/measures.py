"""What is measured of each detector on the part of the range that none of them was fitted or calibrated on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .faults import FAULTS
from .labels import Hits, rates

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Scores are counted in so many equal bins from 0 to 1: memory is bounded, and precision exact to a thousandth.
BINS = 1_000


def _bins() -> Ints:
    return np.zeros(BINS, np.int64)


@dataclass
class Measures:
    """Counts of one detector.

    normal    readings without a planted fault, by score
    planted   readings with one, by score
    alarms    how many of the first kind are over the threshold
    episodes  (series, fault) that were planted
    caught    those of them that raised an alarm which the same readings without the fault do not raise
    """

    threshold: float
    normal: Ints = field(default_factory=_bins)
    planted: Ints = field(default_factory=_bins)
    alarms: int = 0
    episodes: set[tuple[str, int]] = field(default_factory=set)
    caught: set[tuple[str, int]] = field(default_factory=set)
    hits: dict[str, Hits] = field(default_factory=dict)

    def take_normal(self, scores: Floats) -> None:
        """Scores of readings as they are in the log."""
        self.normal += _counted(scores)
        self.alarms += int(np.count_nonzero(scores >= self.threshold))

    def take_planted(self, names: list[str], kinds: Ints, scores: Floats, before: Floats) -> None:
        """Readings with faults: series, number of the fault, score, and score without the fault."""
        self.planted += _counted(scores)
        over = (scores >= self.threshold) & ~(before >= self.threshold)
        for name, kind, caught in zip(names, kinds.tolist(), over.tolist(), strict=True):
            self.episodes.add((name, kind))
            if caught:
                self.caught.add((name, kind))

    def found(self) -> dict[str, float]:
        """All measures by name; what cannot be said is left out."""
        readings = int(self.normal.sum())
        out = {"readings": float(readings), "alarms_per_10000": 1e4 * self.alarms / readings if readings else 0.0}
        for number, kind in enumerate(FAULTS):
            planted = {each for each in self.episodes if each[1] == number}
            if planted:
                out[f"caught_{kind}"] = len(self.caught & planted) / len(planted)
        if self.episodes:
            shares = [out[f"caught_{kind}"] for kind in FAULTS if f"caught_{kind}" in out]
            out["faults"] = float(len(self.episodes))
            out["caught"] = sum(shares) / len(shares)
            out["average_precision"] = average_precision(self.normal, self.planted)
        return out | rates(list(self.hits.values()))


def _counted(scores: Floats) -> Ints:
    at = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    return np.bincount(at, minlength=BINS)


def average_precision(normal: Ints, planted: Ints) -> float:
    """Area under precision over recall, from two histograms of scores, int64[BINS] each.

    >>> apart, same = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    >>> apart[900], same[100] = 10, 90
    >>> average_precision(same, apart), average_precision(apart * 9, apart)
    (1.0, 0.1)
    """
    hit, wrong = np.cumsum(planted[::-1]), np.cumsum(normal[::-1])
    if not hit[-1]:
        return 0.0
    precision = np.divide(hit, hit + wrong, out=np.zeros(BINS), where=hit + wrong > 0)
    return float(np.add.accumulate(precision * planted[::-1])[-1] / hit[-1])
