"""What a windowed feature set remembers of each series."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Floats, Ints

if TYPE_CHECKING:
    from .derived import Derived

#: Before all times.
NEVER = -(1 << 62)


def _ints() -> Ints:
    return np.empty(0, np.int64)


def _floats() -> Floats:
    return np.empty(0)


def _each(fill: int = 0) -> Any:
    return field(default_factory=_ints, metadata={"fill": fill})


@dataclass
class WindowsState:
    """One entry per series in the first group; spare ones hold the declared fill.

    mark      watermark: what is earlier is too late
    count     usable readings released so far; the next one gets this number
    tail      number of the oldest that is kept
    place     where the series' ring begins in ``time`` and ``value``; ``size`` of it, a power of two or 0
    behind    readings in a row, up to the last one, that were too late
    era       how often the series began anew; ``kept_era``: when the readings in its ring were released
    late, unusable, crowded, full   readings that came too late, whose value cannot be used, that were released early
              because too many waited, whose longest window was cut short

    time, value    rings of all series, one after the other; ``used`` of them
    held, held_at  last value of each feature that is held, [series, features], and its time
    rows, times, values, ordinals   readings that wait for their release
    """

    series: int = 0
    used: int = 0
    mark: Ints = _each(NEVER)
    count: Ints = _each()
    tail: Ints = _each()
    place: Ints = _each()
    size: Ints = _each()
    behind: Ints = _each()
    era: Ints = _each()
    kept_era: Ints = _each()
    late: Ints = _each()
    unusable: Ints = _each()
    crowded: Ints = _each()
    full: Ints = _each()
    held: Floats = field(default_factory=lambda: np.empty((0, 0)), metadata={"fill": np.nan})
    held_at: Ints = field(default_factory=lambda: np.empty((0, 0), np.int64), metadata={"fill": NEVER})
    time: Ints = field(default_factory=_ints)
    value: Floats = field(default_factory=_floats)
    rows: Ints = field(default_factory=_ints)
    times: Ints = field(default_factory=_ints)
    values: Floats = field(default_factory=_floats)
    ordinals: Ints = field(default_factory=_ints)

    def __post_init__(self) -> None:
        # Not a field: it is computed from the rings again where it does not belong to them, and so never saved.
        self.derived: Derived | None = None

    def grow(self, n: int) -> None:
        """Make room for series 0 .. n-1."""
        if n <= self.series:
            return
        rows = 1 << (n - 1).bit_length()
        for name, item in self.__dataclass_fields__.items():
            array = getattr(self, name)
            if "fill" in item.metadata and len(array) < rows:
                more = np.full((rows - len(array), *array.shape[1:]), item.metadata["fill"], array.dtype)
                setattr(self, name, np.concatenate((array, more)))
        self.series = n
