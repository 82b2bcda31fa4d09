"""Readings through reducer and detectors, the way they are served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detectors import score_batch
from ..features import FeatureSet
from .contender import Contender
from .rows import Rows
from .split import COMPARE, Split


@dataclass(frozen=True, eq=False)
class Scored:
    """Readings with their scores in [0, 1], in the order in which they were scored."""

    rows: Rows
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


class Pipeline:
    """All contenders over the same rows of one partition; each streaming one has a state of its own.

    Fitted ones score the third part of the range alone: they have no state, and the other parts do not count.
    """

    def __init__(self, features: FeatureSet, contenders: Sequence[Contender], split: Split) -> None:
        self.features, self.contenders, self.split = features, contenders, split
        self.states: dict[str, Any] = {each.label: each.detector.start() for each in contenders if not each.trained}
        self._reduced = features.start() if any(each.trained for each in contenders) else None

    def take(self, rows: Rows, series: int) -> dict[str, Scored]:
        """The next rows, of which there are ``series`` series so far: label of a contender -> what it scored."""
        out = {}
        released, vectors = rows, np.zeros((0, 0))
        if self._reduced is not None:
            self.features.grow(self._reduced, series)
            found = self.features.reduce(self._reduced, rows.rows, rows.times, rows.values, rows.ordinals)
            at = np.flatnonzero(self.split.parts(found.times) == COMPARE)
            released, vectors = Rows(found.rows, found.times, found.values, found.ordinals).at(at), found.features[at]
        for each in self.contenders:
            if each.trained:
                out[each.label] = Scored(released, each.score(vectors))
                continue
            state = self.states[each.label]
            each.detector.grow(state, series)
            scores = score_batch(each.detector, state, rows.rows, rows.times, rows.values)
            out[each.label] = Scored(rows, scores.score)
        return out
