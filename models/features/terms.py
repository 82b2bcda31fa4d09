"""The features that a windowed set can have: each is a few fields, and how it is computed from a view."""

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contracts.instants import DAY, SECOND

from .base import Flags, Floats, Ints
from .window import Fill

if TYPE_CHECKING:
    from .view import Span, View

#: Values float64[n, width], and whether each reading has the feature at all, bool[n].
Columns = tuple[Floats, Flags]
Duration = Annotated[float, Field(gt=0, le=1e8)]
Offset = Annotated[float, Field(ge=-86_400, le=86_400)]


class Term(BaseModel):
    """Base of all features of a set; ``name`` replaces the name that follows from the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: str
    name: str = Field(default="", max_length=64, description="empty: made of the other fields")

    @property
    def label(self) -> str:
        """What it is called where no name is given."""
        return self.kind

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each of its columns."""
        return (self.name or self.label,)

    def compute(self, view: "View") -> Columns:
        """The feature at each reading of a view."""
        raise NotImplementedError


class Value(Term):
    """The reading itself."""

    kind: Literal["value"] = "value"

    def compute(self, view: "View") -> Columns:
        """As it came; -0.0 is 0."""
        return _always(view.values)


class Windowed(Term):
    """Base of features over a window, which they name."""

    window: str = Field(description="one of the windows of the set")

    @property
    def label(self) -> str:
        return f"{self.kind}_{self.window}"


class Aggregate(Windowed):
    """A number that says something of all readings of a window.

    ``sum``, ``mean`` and ``std`` (dividing by n) are of the values rounded to the quantum of the set; the others are
    of the values as they came. ``rate``: last less first, over the seconds between them. ``range``: max less min.
    """

    kind: Literal["count", "sum", "mean", "std", "min", "max", "range", "last", "rate"]

    def compute(self, view: "View") -> Columns:
        """Absent below ``min_count``; a rate also where no time passed. A count is never absent."""
        window = view.windows[self.window]
        span = view.span(window)
        count = span[1] - span[0]
        if self.kind == "count":
            return _always(count.astype(np.float64))
        there = count >= window.min_count
        if self.kind == "rate":
            passed = view.time(span[1] - 1) - view.time(span[0])
            rise = view.value(span[1] - 1) - view.value(span[0])
            there &= (count >= 2) & (passed > 0)
            return (rise / (passed / SECOND))[:, None], there
        return self._of(view, span, count)[:, None], there

    def _of(self, view: "View", span: "Span", count: Ints) -> Floats:
        match self.kind:
            case "sum":
                return view.total(span)
            case "mean":
                return view.total(span) / count
            case "std":
                return view.deviation(span)
            case "min":
                return view.extremes(span)[0]
            case "max":
                return view.extremes(span)[1]
            case "range":
                low, high = view.extremes(span)
                return high - low
            case _:
                return view.value(span[1] - 1)


class Quantile(Windowed):
    """The smallest value of a window that a share ``q`` of its readings does not exceed (nearest rank)."""

    kind: Literal["quantile"] = "quantile"
    q: float = Field(ge=0, le=1, description="at most four digits")

    @field_validator("q")
    @classmethod
    def _in_ten_thousandths(cls, q: float) -> float:
        if round(q * 10_000) / 10_000 != q:
            raise ValueError("at most four digits")
        return q

    @property
    def label(self) -> str:
        return f"quantile_{self.q:g}_{self.window}"

    def compute(self, view: "View") -> Columns:
        """Sorts the window at each reading: dear where windows are long."""
        window = view.windows[self.window]
        span = view.span(window)
        return view.ranked(span, (round(self.q * 10_000),)), span[1] - span[0] >= window.min_count


class Binned(BaseModel):
    """The edges of bins, and on which side a value belongs that stands on one."""

    edges: tuple[float, ...] = Field(min_length=1, max_length=256, description="strictly rising")
    closed: Literal["left", "right"] = Field(description="left: [a, b), right: (a, b]")

    @model_validator(mode="after")
    def _rising(self) -> "Binned":
        if any(not a < b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must rise strictly")
        return self

    @property
    def bins(self) -> tuple[tuple[float, ...], str]:
        """As ``derived`` takes it; an edge of -0.0 is 0."""
        return tuple(edge + 0.0 for edge in self.edges), self.closed


class Bin(Term, Binned):
    """The bin of the reading: 0 below all edges, as many as there are edges above them."""

    kind: Literal["bin"] = "bin"

    def compute(self, view: "View") -> Columns:
        """Compares the value as it came, not its rounding."""
        return _always(view.bin(self.bins))


class Histogram(Windowed, Binned):
    """How many readings of a window fell into each bin."""

    kind: Literal["histogram"] = "histogram"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name or self.label}_{number}" for number in range(len(self.edges) + 1))

    def compute(self, view: "View") -> Columns:
        """Counts are never absent."""
        return view.bins(view.span(view.windows[self.window]), self.bins), np.ones(len(view.times), np.bool_)


class AsOf(Term):
    """Base of features that look at the value as of ``seconds`` ago.

    That is the value of the last reading at or before then, unless that was older than the ttl already.
    """

    seconds: Duration
    fill: Fill = Field(default="nan", description="where there was no such value")

    @property
    def label(self) -> str:
        return f"{self.kind}_{self.seconds:g}s"

    @property
    def back(self) -> int:
        """Nanoseconds."""
        return round(self.seconds * SECOND)

    def past(self, view: "View") -> Columns:
        """The value then."""
        then = view.times - self.back
        number = view.before(then)
        there = view.known(number) & (view.time(number) >= then - view.ttl)
        return view.value(number)[:, None], there


class Lag(AsOf):
    """The value as of ``seconds`` ago."""

    kind: Literal["lag"] = "lag"

    def compute(self, view: "View") -> Columns:
        """Absent where there was none."""
        return self.past(view)


class Difference(AsOf):
    """The value less the value as of ``seconds`` ago."""

    kind: Literal["difference"] = "difference"

    def compute(self, view: "View") -> Columns:
        """Absent where the lag is."""
        past, there = self.past(view)
        return view.values[:, None] - past, there


class TimeOfDay(Term):
    """Seconds since midnight, where clocks are ``offset_s`` ahead of UTC the whole year."""

    kind: Literal["time_of_day"] = "time_of_day"
    offset_s: Offset = Field(description="seconds; 3600 is UTC+1")

    def compute(self, view: "View") -> Columns:
        """To the nanosecond, rounded once."""
        within = (view.times % DAY + round(self.offset_s * SECOND)) % DAY
        return _always(within / SECOND)


class DayOfWeek(Term):
    """0 on Mondays to 6 on Sundays, where clocks are ``offset_s`` ahead of UTC the whole year."""

    kind: Literal["day_of_week"] = "day_of_week"
    offset_s: Offset = Field(description="seconds; 3600 is UTC+1")

    def compute(self, view: "View") -> Columns:
        """1970 began on a Thursday."""
        days = view.times // DAY + (view.times % DAY + round(self.offset_s * SECOND)) // DAY
        return _always(((days + 3) % 7).astype(np.float64))


Feature = Annotated[
    Value | Aggregate | Quantile | Bin | Histogram | Lag | Difference | TimeOfDay | DayOfWeek,
    Field(discriminator="kind"),
]


def _always(values: Floats) -> Columns:
    return values[:, None], np.ones(len(values), np.bool_)
