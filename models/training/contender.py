"""Detectors that are compared: those that learn as they go, and those that are fitted once."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import ConfigError
from contracts.training import Family, TrainingPlan

from ..bundle import is_fitted
from ..kinds import detectors, score

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
#: Where calibrated scores have their threshold.
HALF = 0.5


@dataclass
class Contender:
    """A detector of the plan; ``arrays`` and ``postprocessor`` are there once it is fitted."""

    label: str
    detector: Any
    trained: bool
    threshold: float
    arrays: Arrays = field(default_factory=dict)
    postprocessor: Any = None

    @property
    def kind(self) -> str:
        """Kind of the detector."""
        return str(self.detector.kind)

    def score(self, features: Floats) -> Floats:
        """Scores in [0, 1] of vectors of features, float64[m, k]; for one that is fitted."""
        return score(self.detector, self.postprocessor, self.arrays, features)


def contenders(plan: TrainingPlan) -> list[Contender]:
    """Everything that the plan names, not yet fitted.

    Raises ConfigError for what is not known, or does not take its parameters.
    """
    out: list[Contender] = []
    for family in plan.detectors:
        again = sum(each.kind == family.kind for each in out)
        out.append(_contender(family, family.kind if not again else f"{family.kind}-{again + 1}"))
    return out


def _contender(family: Family, label: str) -> Contender:
    from ..multivariate import MULTIVARIATE

    kinds = detectors()
    if family.kind in MULTIVARIATE:
        raise ConfigError([f"detector {family.kind!r} judges assets, and needs no training"])
    if family.kind not in kinds:
        raise ConfigError([f"detector {family.kind!r} is not known here"], mend=f"Known: {', '.join(sorted(kinds))}")
    try:
        detector = kinds[family.kind](**family.parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError([f"detector {family.kind!r} does not take its parameters: {error}"]) from error
    return Contender(label, detector, is_fitted(detector), float(getattr(detector, "threshold", HALF)))
