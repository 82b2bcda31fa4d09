"""Features of a channel's own past, each at its reading's event time."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from contracts.instants import SECOND

from ..order import order_of
from .base import FeatureSet, Floats, Ints, Vectors
from .derived import REACH, Needs
from .release import Arrivals, Limits, release
from .rings import put
from .search import starts
from .state import NEVER, WindowsState
from .terms import AsOf, Columns, Feature, Histogram, Windowed
from .view import View
from .window import Window

CHUNK = 8192  # readings whose features are computed in one go
MOST = 65_536  # the exact sums of squares have room for no more
Key = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")]


class Windows(FeatureSet):
    """Windows, bins, lags and times of day over the readings of one channel; point in time, whatever comes when.

    A reading is released, that is gets its features, when the watermark reaches its time: the highest event time of
    its series so far, less ``lateness_s``. Its features know the readings that were released before it, and itself;
    these go by event time, then value. So the order in which readings arrive within the lateness has no effect. What
    arrives behind the watermark is too late: it is counted and changes nothing.

    Sums are exact, in units of ``quantum``. A value that is not finite or beyond ``limit`` enters no window, and all
    its features are NaN. A window holds the last ``max_readings`` at most, and as many wait for their release.

    >>> import numpy as np
    >>> features = Windows.model_validate({
    ...     "windows": {"minute": {"length_s": 60}},
    ...     "features": [{"kind": "value"}, {"kind": "mean", "window": "minute"}],
    ... })
    >>> state = features.start()
    >>> features.grow(state, 1)
    >>> seconds, values = np.array([0, 30, 60, 90]), np.array([1.0, 2.0, 4.0, 8.0])
    >>> features.reduce(state, np.zeros(4, np.int64), seconds * 10**9, values, np.arange(1, 5)).features.T
    array([[1. , 2. , 4. , 8. ],
           [1. , 1.5, 3. , 6. ]])
    """

    kind: Literal["windows"] = "windows"
    windows: dict[Key, Window] = Field(default_factory=dict, description="by a name of your own")
    features: tuple[Feature, ...] = Field(min_length=1, max_length=256)
    lateness_s: float = Field(default=0.0, ge=0, le=1e8, description="how late a reading may be; 0: released at once")
    ttl_s: float = Field(default=3600.0, gt=0, le=1e8, description="an older value counts as absent")
    quantum: float = Field(default=2.0**-20, gt=0, description="unit of the exact sums, a power of two")
    patience: int = Field(default=100, ge=1, description="readings too late in a row: their series begins anew")
    max_readings: int = Field(default=16_384, ge=2, le=MOST, description="of a series that a window may hold")

    @field_validator("quantum")
    @classmethod
    def _a_power_of_two(cls, quantum: float) -> float:
        if not math.isfinite(quantum) or math.frexp(quantum)[0] != 0.5 or not 2.0**-200 <= quantum <= 2.0**200:
            raise ValueError("must be a power of two from 2^-200 to 2^200")
        return quantum

    @model_validator(mode="after")
    def _complete(self) -> "Windows":
        asked = {each.window for each in self.features if isinstance(each, Windowed)}
        if missing := sorted(asked - set(self.windows)):
            raise ValueError(f"no such window: {', '.join(missing)}")
        if unused := sorted(set(self.windows) - asked):
            raise ValueError(f"windows that no feature names: {', '.join(unused)}")
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise ValueError(f"two features of one name: {', '.join(twice)}; give one another `name`")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for each in self.features for name in each.names)

    @property
    def limit(self) -> float:
        """The largest value that can be summed."""
        return self.quantum * (REACH - 1)

    @property
    def horizon(self) -> int:
        """How far back a feature can look, ns."""
        lags = [each.back for each in self.features if isinstance(each, AsOf)]
        return max([0, *lags, *(window.length for window in self.windows.values())])

    @property
    def ttl(self) -> int:
        """Nanoseconds."""
        return round(self.ttl_s * SECOND)

    @property
    def _needs(self) -> Needs:
        kinds = {each.kind for each in self.features}
        return Needs(
            quantum=self.quantum,
            sums=bool(kinds & {"sum", "mean", "std"}),
            squares="std" in kinds,
            extremes=bool(kinds & {"min", "max", "range"}),
            edges=tuple(dict.fromkeys(each.bins for each in self.features if isinstance(each, Histogram))),
        )

    @property
    def _held(self) -> int:
        """Columns whose last value stands in where they are absent."""
        return sum(len(each.names) for each in self.features if self._fill(each) == "hold")

    def _fill(self, feature: Feature) -> str:
        if isinstance(feature, Windowed):
            return self.windows[feature.window].fill
        return feature.fill if isinstance(feature, AsOf) else "nan"

    def start(self) -> WindowsState:
        """State for zero series."""
        held = self._held
        return WindowsState(held=np.empty((0, held)), held_at=np.empty((0, held), np.int64))

    def grow(self, state: WindowsState, n: int) -> None:
        """Make room for series 0 .. n-1."""
        state.grow(n)

    def reduce(self, state: WindowsState, rows: Ints, times: Ints, values: Floats, ordinals: Ints) -> Vectors:
        """Take in readings in the order of their arrival, and give those that are released by them."""
        limits = Limits(round(self.lateness_s * SECOND), self.max_readings, self.patience)
        released = release(state, Arrivals(rows, times, values, ordinals), limits)
        out, by = released.readings, ordinals[released.by]
        usable = np.abs(out.values) <= self.limit
        features = np.full((len(usable), len(self.names)), np.nan)
        if not usable.all():
            np.add.at(state.unusable, out.rows[~usable], 1)
        with np.errstate(all="ignore"):
            for at in self._pieces(out.rows, released.era, np.flatnonzero(usable)):
                features[at] = self._compute(state, out.take(at), released.era[at])
        return Vectors(out.rows, out.times, out.values, out.ordinals, features, by)

    @staticmethod
    def _pieces(rows: Ints, era: Ints, usable: Ints) -> list[Ints]:
        """Places of usable readings, sorted by series: of each one era, and few enough that rings need not grow."""
        order = usable[order_of(rows[usable])]
        if not len(order):
            return []
        first = np.flatnonzero(starts(rows[order]))
        count = np.diff(np.append(first, len(order)))
        nth = np.arange(len(order)) - np.repeat(first, count)
        piece = nth // max(CHUNK // len(first), 64) + era[order] - np.repeat(era[order[first]], count)
        return [order] if not piece[-1] and not piece.any() else [order[piece == each] for each in np.unique(piece)]

    def _compute(self, state: WindowsState, readings: Arrivals, era: Ints) -> Floats:
        """float64[n, k]: features of usable readings that are sorted by series."""
        numbers, derived = put(state, self._needs, readings, era, (self.horizon, self.max_readings))
        view = View(state, derived, readings, numbers, self)
        self._count_full(state, readings.rows, view)
        parts, column = [], 0
        for each in self.features:
            found, there = each.compute(view)
            fill = self._fill(each)
            if fill == "hold":
                end = column + found.shape[1]
                found = self._hold(state, readings, (found, there), slice(column, end))
                column = end
            elif not there.all():
                found = np.where(there[:, None], found, 0.0 if fill == "zero" else np.nan)
            parts.append(found)
        # In a sum with 0, -0.0 becomes 0: the two are equal, but not the same bits.
        return np.concatenate(parts, axis=1) + 0.0

    def _count_full(self, state: WindowsState, rows: Ints, view: View) -> None:
        if not self.windows or int(view.numbers.max()) + 1 < self.max_readings:
            return
        longest = max(self.windows.values(), key=lambda window: window.length)
        low, high = view.span(longest)
        np.add.at(state.full, rows[high - low >= self.max_readings], 1)

    def _hold(self, state: WindowsState, readings: Arrivals, columns: Columns, held: slice) -> Floats:
        """The last value of the series that was there, as long as it is no older than the ttl."""
        (found, there), rows, times = columns, readings.rows, readings.times
        first = np.flatnonzero(starts(rows))
        begin = np.repeat(first, np.diff(np.append(first, len(rows))))
        last = np.maximum.accumulate(np.where(there, np.arange(len(rows)), -1))
        own = (last >= begin)[:, None]
        value = np.where(own, found[last], state.held[rows, held])
        at = np.where(own, times[last][:, None], state.held_at[rows, held])
        end = np.append(first[1:], len(rows)) - 1
        state.held[rows[end], held], state.held_at[rows[end], held] = value[end], at[end]
        fresh = (at > NEVER) & (times[:, None] - at <= self.ttl)
        return np.where(fresh, value, np.nan)
