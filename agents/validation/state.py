"""What validation remembers of one partition."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from contracts.readings import Series
from contracts.remembered import Remembered

from .limits import LimitColumns, Limits
from .table import NONE, Int, Table, capacity, column


class Derived:
    """What follows from the saved state and the configuration: made anew after a restart, never saved."""

    def __init__(self) -> None:
        self.numbers: dict[Series, int] = {}
        #: The number of each of a batch's series, for those that are all known.
        self.tables: Remembered[Int] = Remembered()
        self.names: list[str] = []
        self.limits = LimitColumns()


@dataclass(eq=False)
class ValidationState:
    """The state of one partition."""

    series: dict[str, int] = field(default_factory=dict)
    """asset/channel -> number, in order of first appearance"""
    groups: dict[tuple[str, str], int] = field(default_factory=dict)
    """(source, asset) -> number"""
    table: Table = field(default_factory=Table)
    watermark: Int = column(NONE)
    """per group: how far event time has come for certain"""
    members: Int = column()
    """per group: how many series it has"""
    now: int = NONE
    """time of the last tick"""
    elapsed: int = 0
    """time that ticks have seen pass"""
    crowded: bool = False
    """whether the incident about too many series is open"""

    def __post_init__(self) -> None:
        self.derived = Derived()

    def ready(self, limits: Callable[[str], Limits]) -> Derived:
        """What is derived, with the limits of every series that the saved state knows."""
        derived = self.derived
        if len(derived.names) < len(self.series):
            for name in list(self.series)[len(derived.names) :]:
                derived.names.append(name)
                derived.limits.append(limits(name))
        return derived

    def register(self, series: Series) -> int:
        """The number of a series; it gets the next one when its name is new."""
        number = self.series.get(series.name)
        if number is None:
            number = self.series[series.name] = len(self.series)
            self.table.hold(number + 1)
            group = self.group_of(series.source, series.asset)
            self.table.group[number] = group
            self.members[group] += 1
        return number

    def group_of(self, source: str, asset: str) -> int:
        """The number of a group, a new one where it is needed."""
        number = self.groups.setdefault((source, asset), len(self.groups))
        if number >= len(self.watermark):
            size = capacity(number + 1)
            old = len(self.watermark)
            self.watermark = np.append(self.watermark, np.full(size - old, NONE, np.int64))
            self.members = np.append(self.members, np.zeros(size - old, np.int64))
        return number
