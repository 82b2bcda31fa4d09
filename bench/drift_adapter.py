"""The production drift test for drift_bench.py: `--adapter bench/drift_adapter.py:make`."""

import copy
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models.drift import Alarms, DriftTest

DAY_NS = 86_400_000_000_000
CHUNK = 128


class Adapter:
    """One series under ``DriftTest`` at one tolerated false alarm in 100,000 readings."""

    def __init__(self) -> None:
        self.test = DriftTest(false_alarms_per_sample=1e-5)
        self.state = self.test.start()
        self.tick = 0.0
        self.count = 0
        self.last: Alarms | None = None

    def fit(self, ref: NDArray[np.float64], meta: dict[str, float]) -> None:
        reference = self.test.fit(ref, meta.get("samples_per_day"))
        self.test.adopt(self.state, 0, reference)
        self.tick = DAY_NS / (meta.get("samples_per_day") or 1440)
        self.count = len(ref)

    def update(self, x: float) -> bool:
        return self._feed(np.array([x])) is not None

    def update_many(self, xs: NDArray[np.float64]) -> int | None:
        """Index of the first alarm; readings after it are not read."""
        for start in range(0, len(xs), CHUNK):
            before = copy.deepcopy(self.state), self.count
            i = self._feed(xs[start : start + CHUNK])
            if i is not None:
                self.state, self.count = before
                self._feed(xs[start : start + i + 1])
                return start + i
        return None

    def rearm(self) -> None:
        self.test.rearm(self.state, 0)

    def _feed(self, xs: NDArray[np.float64]) -> int | None:
        n = len(xs)
        times = ((self.count + np.arange(n)) * self.tick).astype(np.int64)
        self.count += n
        alarms = self.test.update_batch(self.state, np.zeros(n, np.int64), times, np.asarray(xs, np.float64))
        if not alarms:
            return None
        self.last = alarms
        return int(alarms.at[0])


def make() -> Adapter:
    """A fresh, unfitted adapter."""
    return Adapter()
