"""Scores for rows of features that somebody names, from a fitted bundle: what a stream of readings gets, on request.

A streaming detector is not asked this way: its score of a value depends on all values before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BundleRefused, TocsinError

from .bundle import Bundle, is_fitted
from .manifest import Manifest

Floats = NDArray[np.float64]
#: Scores from here on are alarms, where the postprocessor has no threshold of its own.
THRESHOLD = 0.5
_SHOWN = 8


class FeaturesRefused(TocsinError):
    """Features that do not fit the bundle; ``kind`` says in a word or two what is wrong with them."""

    exit_code = 65

    def __init__(self, message: str, *, kind: str, mend: str) -> None:
        super().__init__(message, mend=mend)
        self.kind = kind


@dataclass(frozen=True)
class Scored:
    """``score`` is float64[n]; ``contributions`` float64[n, k], the share of each feature in it."""

    score: Floats
    contributions: Floats


@dataclass(frozen=True, eq=False)
class Predictor:
    """A bundle that scores rows."""

    bundle: Bundle
    _detector: Any
    _postprocessor: Any

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Raises BundleRefused for a streaming detector."""
        detector = bundle.detector()
        if not is_fitted(detector):
            kind = bundle.manifest.detector.kind
            mend = "Ask for a model that was fitted to features; this one scores what the agents read."
            raise BundleRefused(
                f"detector {kind} scores a series in its order, not single rows", kind="kind", mend=mend
            )
        return cls(bundle, detector, bundle.postprocessor())

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.bundle.manifest

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the bundle's order."""
        return self.manifest.features.names

    @property
    def threshold(self) -> float:
        """Scores from here on are alarms."""
        return float(getattr(self._postprocessor, "threshold", THRESHOLD))

    def columns(self, features: Mapping[str, Sequence[float]]) -> Floats:
        """Named columns as float64[n, k], in the bundle's order whatever the order they come in.

        Raises FeaturesRefused: missing and unknown names, and columns of different lengths, each as a kind of its own.
        """
        mend = f"The model has {len(self.names)} features: {_listed(self.names)}"
        if missing := [name for name in self.names if name not in features]:
            raise FeaturesRefused(f"features are missing: {_listed(missing)}", kind="feature missing", mend=mend)
        if unknown := sorted(set(features) - set(self.names)):
            raise FeaturesRefused(
                f"features that the model has not: {_listed(unknown)}", kind="feature unknown", mend=mend
            )
        lengths = {name: len(features[name]) for name in self.names}
        if len(set(lengths.values())) > 1:
            told = _listed([f"{name} {length:,}" for name, length in lengths.items()])
            raise FeaturesRefused(
                f"features have different numbers of values: {told}",
                kind="feature length",
                mend="Give each feature one value per row",
            )
        return np.column_stack([np.asarray(features[name], np.float64) for name in self.names])

    def score(self, columns: Floats) -> Scored:
        """The scores of rows, float64[n, k] -> Scored; each row by itself."""
        arrays, after = self.bundle.arrays, self._postprocessor
        found = after.judge(self._detector, arrays, columns).score
        return Scored(found, after.shares(self._detector, arrays, columns))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
