"""What every trained detector is: parameters, arrays fitted once on feature vectors, and a score for each vector."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: Fitted arrays by name; a bundle keeps them, so names begin with ``state/``.
Arrays = Mapping[str, NDArray[Any]]


class Trained(BaseModel, frozen=True, extra="forbid"):
    """Fitted once, scores vectors one by one ever after. Fields are the parameters.

    A raw score is higher the stranger the vector. It depends on that vector and the arrays alone: not on the vectors
    beside it, nor on how many there are, bit for bit.
    """

    kind: ClassVar[str]
    #: Vectors that a fit needs, for k features.
    fewest: ClassVar[int] = 20

    @abstractmethod
    def fit(self, features: Floats) -> dict[str, NDArray[Any]]:
        """The arrays for these vectors, float64[n, k], all finite. The same vectors give the same arrays.

        Raises ValueError when they are too few.
        """

    @abstractmethod
    def raw(self, arrays: Arrays, features: Floats) -> Floats:
        """Raw scores, float64[m], of vectors without absent features, float64[m, k]."""

    @abstractmethod
    def parts(self, arrays: Arrays, features: Floats) -> Floats:
        """What each feature adds to the score of such vectors, float64[m, k], on any scale; not negative."""

    def score(self, arrays: Arrays, features: Floats) -> Floats:
        """Raw scores, float64[m], of vectors float64[m, k]; NaN where a feature is absent (NaN) or infinite."""
        out, at = np.full(len(features), np.nan), np.flatnonzero(complete(features))
        if len(at):
            with np.errstate(all="ignore"):
                raw = self.raw(arrays, features[at])
            # Further away than floats can tell.
            out[at] = np.where(np.isnan(raw), np.inf, raw)
        return out

    def shares(self, arrays: Arrays, features: Floats) -> Floats:
        """How much of each score is each feature's, float64[m, k]: each row sums up to 1, or is all 0."""
        out, at = np.zeros(features.shape), np.flatnonzero(complete(features))
        if len(at):
            with np.errstate(all="ignore"):
                out[at] = normed(self.parts(arrays, features[at]))
        return out


def complete(features: Floats) -> Flags:
    """Which vectors can be scored, bool[m]."""
    return np.asarray(np.isfinite(features).all(axis=1))


def enough(features: Floats, fewest: int) -> None:
    """Raises ValueError when vectors are too few for a fit, or not complete."""
    if len(features) < fewest:
        raise ValueError(f"{len(features)} vectors are too few to fit: {fewest} at least")
    if not np.isfinite(features).all():
        raise ValueError("vectors with absent features cannot be fitted")


def across(columns: Floats) -> Floats:
    """Sum over the last axis, from left to right: its rounding does not depend on how many rows there are."""
    out: Floats = np.add.accumulate(columns, axis=-1)[..., -1]
    return out


def normed(parts: Floats) -> Floats:
    """Rows [m, k] of what is not negative, as shares of their sums."""
    top = parts.max(axis=1, initial=0.0)[:, None]
    scaled = parts / top
    out: Floats = np.where((top > 0) & np.isfinite(top), scaled / across(scaled)[:, None], 0.0)
    return out
