"""Rules compiled for each series: once, when the series appears, and never per reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from contracts.instants import SECOND

from .rules import Rule
from .table import capacity

#: Longer than any span that matters (146 years), and safe to add to itself in 64 bits.
NEVER = 2**62
Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for one series, every field decided. Times are nanoseconds; 0 where nothing is set."""

    known: bool
    low: float
    high: float
    per_s: float
    stuck_count: int
    stuck_span: int
    stuck: Literal["report", "reject", "ignore"]
    interval: int
    gap_factor: float
    freshness: int
    stated_freshness: bool
    unit: str

    @classmethod
    def of(cls, rules: Sequence[Rule], name: str, gap_factor: float, freshness_s: float) -> "Limits":
        """The limits of the series ``asset/channel``: for each field, what the first rule that states it says."""
        asset, _, channel = name.partition("/")
        merged: dict[str, object] = {}
        fitting = [rule for rule in rules if rule.fits(asset, channel)]
        for rule in reversed(fitting):
            merged.update({field: getattr(rule, field) for field in rule.stated()})
        whole = Rule.model_construct(match=name, **merged)  # type: ignore[arg-type] # taken from checked rules
        return cls(
            known=bool(fitting),
            low=-np.inf if whole.min is None else whole.min,
            high=np.inf if whole.max is None else whole.max,
            per_s=np.inf if whole.max_per_s is None else whole.max_per_s,
            stuck_count=whole.stuck_after or 0,
            stuck_span=int((whole.stuck_after_s or 0) * SECOND),
            stuck=whole.stuck or "report",
            interval=int((whole.expected_interval_s or 0) * SECOND),
            gap_factor=whole.gap_factor or gap_factor,
            freshness=int((whole.freshness_s or freshness_s) * SECOND),
            stated_freshness=whole.freshness_s is not None,
            unit=whole.unit,
        )


class LimitColumns:
    """The limits of all series as columns, by the series' number."""

    def __init__(self) -> None:
        self.rows: list[Limits] = []
        self._equal: dict[Limits, Limits] = {}
        self.low = np.zeros(0)
        self.high = np.zeros(0)
        self.per_s = np.zeros(0)
        self.stuck_count = np.zeros(0, np.int64)
        self.stuck_span = np.zeros(0, np.int64)
        self.learned = np.zeros(0, bool)
        """whether the series itself shows what is stuck"""
        self.rejecting = np.zeros(0, bool)
        self.interval = np.zeros(0, np.int64)
        self.gap_factor = np.zeros(0)
        self.freshness = np.zeros(0, np.int64)
        self.patience = np.zeros(0, np.int64)
        """how long a series may be silent whose usual interval is not known yet"""
        self.any_range = self.any_rate = self.any_span = False

    def append(self, limits: Limits) -> None:
        """Take one more series."""
        number = len(self.rows)
        # Most series have the limits of many others: one object is enough for all of them.
        self.rows.append(self._equal.setdefault(limits, limits))
        watched = limits.stuck != "ignore"
        row = {
            "low": limits.low,
            "high": limits.high,
            "per_s": limits.per_s,
            "stuck_count": limits.stuck_count if watched else 0,
            "stuck_span": limits.stuck_span if watched else 0,
            "learned": watched and not (limits.stuck_count or limits.stuck_span),
            "rejecting": limits.stuck == "reject",
            "interval": limits.interval,
            "gap_factor": limits.gap_factor,
            "freshness": limits.freshness,
            "patience": limits.freshness if limits.stated_freshness else NEVER,
        }
        for name, value in row.items():
            column = getattr(self, name)
            if number >= len(column):
                column = np.append(column, np.zeros(capacity(number + 1) - len(column), column.dtype))
                setattr(self, name, column)
            column[number] = value
        self.any_range |= limits.low > -np.inf or limits.high < np.inf
        self.any_rate |= limits.per_s < np.inf
        self.any_span |= limits.stuck_span > 0

    def gap(self, numbers: Int, usual: Int, longest: Int) -> Int:
        """How long these series may be silent, from their usual and longest normal interval; NEVER if unknown.

        The factor alone would report every thirtieth reading of a sensor that sends on change: there the longest
        normal interval is many times the usual one.
        """
        expected = self.interval[numbers]
        usual = np.where(expected > 0, expected, usual)
        scaled = np.minimum(self.gap_factor[numbers] * usual, float(NEVER)).astype(np.int64)
        known = np.where(expected > 0, scaled, np.maximum(scaled, 3 * longest))
        return np.where(usual > 0, known, NEVER)

    def silence(self, numbers: Int, gap: Int) -> Int:
        """From when on a silence makes these series stale, from their gap limits."""
        return np.where(gap < NEVER, np.maximum(gap, self.freshness[numbers]), self.patience[numbers])


class Admission:
    """Which series may come in, and what holds for them: the rules, applied to names."""

    def __init__(
        self, rules: Sequence[Rule], gap_factor: float, freshness_s: float, max_series: int, strangers: bool
    ) -> None:
        self.max_series = max_series
        self._strangers = strangers
        # Unknown names come again and again, and may be many: the memory of them is bounded.
        self.limits = lru_cache(maxsize=4096)(
            lambda name: Limits.of(rules, name, gap_factor=gap_factor, freshness_s=freshness_s)
        )

    def admits(self, name: str) -> bool:
        """Whether a series of this name is taken at all."""
        return self._strangers or self.limits(name).known
