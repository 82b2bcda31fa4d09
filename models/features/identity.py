"""The reading itself as its only feature."""

from dataclasses import dataclass
from typing import Literal

from .base import FeatureSet, Floats, Ints, Vectors


@dataclass
class IdentityState:
    """Nothing is remembered."""

    series: int


class Identity(FeatureSet):
    """The accepted value as it is.

    >>> Identity().names
    ('value',)
    """

    kind: Literal["identity"] = "identity"

    @property
    def names(self) -> tuple[str, ...]:
        return ("value",)

    def start(self) -> IdentityState:
        """State for zero series."""
        return IdentityState(0)

    def grow(self, state: IdentityState, n: int) -> None:
        """Make room for series 0 .. n-1."""
        state.series = max(state.series, n)

    def reduce(self, state: IdentityState, rows: Ints, times: Ints, values: Floats, ordinals: Ints) -> Vectors:
        """Every reading at once, as it came."""
        return Vectors(rows, times, values, ordinals, values[:, None], ordinals)
