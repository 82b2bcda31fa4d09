"""The second look at a range: feature vectors to fit and to calibrate on, and how far values of series spread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.training import TrainingPlan

from ..features import FeatureSet
from .hashing import hashed, seed_of
from .labels import Labels
from .references import References
from .rows import Rows
from .sampling import Sample
from .split import CALIBRATE, FIT, Split

#: Values of a series that its spread is told from.
_VALUES = 512
#: A reading's name among those of all partitions: ordinals have 44 bits, partitions the rest.
_PARTITION = 44
#: The quartiles of normal noise lie so many deviations apart.
_QUARTILES = 1.349


@dataclass
class Gathering:
    """Goes over the rows of one partition after the other, through the very reducer that serving uses.

    A vector belongs to the part of the range that its own event time lies in; all that it was computed from is older.
    """

    plan: TrainingPlan
    split: Split
    features: FeatureSet
    labels: Labels
    probed: frozenset[str]
    unusable: int = 0
    references: References = field(init=False)
    _samples: dict[int, Sample] = field(default_factory=dict)
    _values: dict[str, Sample] = field(default_factory=dict)
    _state: Any = None

    def __post_init__(self) -> None:
        self.references = References(self.plan.warm)
        width = len(self.features.names)
        for part, name in ((FIT, "fit"), (CALIBRATE, "calibrate")):
            self._samples[part] = Sample(self.plan.sample, width, seed_of(name, self.plan.seed))

    def take(self, partition: int, rows: Rows, names: Mapping[str, int]) -> None:
        """The next rows of a partition, of which ``names`` are the series so far."""
        if self._state is None:
            self._state = self.features.start()
        self.features.grow(self._state, len(names))
        shown = {number: name for name, number in names.items()}
        self._spread(rows, shown)
        sound = (self.split.parts(rows.times) == FIT) & ~self.labels.faulty(rows, shown)
        self.references.take(rows.at(np.flatnonzero(sound)), shown)
        vectors = self.features.reduce(self._state, rows.rows, rows.times, rows.values, rows.ordinals)
        released = Rows(vectors.rows, vectors.times, vectors.values, vectors.ordinals)
        usable = np.isfinite(vectors.features).all(axis=1)
        self.unusable += int(np.count_nonzero(~usable))
        usable &= ~self.labels.faulty(released, shown)
        parts = self.split.parts(released.times)
        for part, sample in self._samples.items():
            at = np.flatnonzero(usable & (parts == part))
            sample.offer(named(partition, released.ordinals[at]), vectors.features[at])

    def end(self) -> None:
        """The partition is done: what the reducer still holds back was never released, here as in serving."""
        self._state = None

    def of(self, part: int) -> NDArray[np.float64]:
        """The sample of a part, float64[n, k]."""
        return self._samples[part].rows()

    def offered(self, part: int) -> int:
        """How many vectors the part had."""
        return self._samples[part].offered

    def spreads(self) -> dict[str, float]:
        """Series -> a robust deviation of its values; series that never change are left out."""
        out = {}
        for name, sample in sorted(self._values.items()):
            values = np.sort(sample.rows()[:, 0])
            low, high = values[len(values) // 4], values[len(values) * 3 // 4]
            spread = float(high - low) / _QUARTILES or float(values[-1] - values[0]) / 4
            if spread > 0:
                out[name] = spread
        return out

    def _spread(self, rows: Rows, shown: Mapping[int, str]) -> None:
        early = self.split.parts(rows.times) == FIT
        for row in np.unique(rows.rows).tolist():
            name = shown[row]
            at = np.flatnonzero(early & (rows.rows == row)) if name in self.probed else ()
            if len(at):
                sample = self._values.setdefault(name, Sample(_VALUES, 1, seed_of("spread", self.plan.seed)))
                sample.offer(rows.ordinals[at], rows.values[at, None])


def named(partition: int, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each reading that no other has, int64[n]."""
    return (partition << _PARTITION) | ordinals


def probed(series: Mapping[str, int], plan: TrainingPlan) -> frozenset[str]:
    """The series in which faults are planted: an even choice of at most ``plan.probed``."""

    def drawn(name: str) -> int:
        return int(hashed(np.zeros(1, np.int64), seed_of("probed", plan.seed, name))[0])

    return frozenset(sorted(series, key=lambda name: (drawn(name), name))[: plan.probed])
