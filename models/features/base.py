"""What every feature set is: a hashed definition, and the one reducer that computes it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from contracts.identity import digest

from ..files import canonical

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Readings that were released, in the order of their release, each with its features.

    rows: int64[m] series. times: int64[m] nanoseconds UTC. values: float64[m]. ordinals: int64[m], the reading's
    place in its stream. features: float64[m, k]; NaN where a feature is absent. by: int64[m], ordinal of the reading
    whose arrival released it.
    """

    rows: Ints
    times: Ints
    values: Floats
    ordinals: Ints
    features: Floats
    by: Ints

    def __len__(self) -> int:
        return len(self.rows)


class FeatureSet(BaseModel):
    """Base of all feature sets: every field is part of the definition, and so of the hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    dtype: ClassVar[str] = "float64"

    @property
    def names(self) -> tuple[str, ...]:
        """The features in the order in which a detector gets them."""
        raise NotImplementedError

    @property
    def definition(self) -> dict[str, Any]:
        """As plain data; the same definition always has the same spelling."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """Names the definition, the features, their order and their type."""
        return digest("feature set", canonical(self.definition), self.dtype, *self.names)

    def start(self) -> Any:
        """State for zero series: a dataclass of arrays and ints."""
        raise NotImplementedError

    def grow(self, state: Any, n: int) -> None:
        """Make room for series 0 .. n-1."""
        raise NotImplementedError

    def reduce(self, state: Any, rows: Ints, times: Ints, values: Floats, ordinals: Ints) -> Vectors:
        """Take in readings in the order of their arrival, and give those that are released by them.

        All arrays are [n], as in ``Vectors``. Series may repeat; room must have been made (`grow`). However the same
        readings are cut into calls, the vectors together are the same, bit for bit.
        """
        raise NotImplementedError
