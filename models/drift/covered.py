"""What times a reference has seen: a change at an hour that it never saw may be a season that it does not know."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from contracts.instants import DAY

from .words import F64, I64

_HOUR = DAY // 24
#: A reference that is shorter says nothing of the time of day, and everything but readings of one hour would be unseen.
_LEAST = 6 * _HOUR
#: A reference that is shorter says nothing of the week.
_WHOLE_DAYS = 3 * DAY // 2
#: A change of the week's rhythm shows so close to midnight before a weekend or a Monday.
_NEAR = 6 * _HOUR
_WORKDAYS, _WEEKEND = 1, 2
#: Quarters of a short reference whose means make up so much of its variance: it moves with the time of day, perhaps.
_SLOW = 0.2


@dataclass(frozen=True)
class Covered:
    """Event times of a reference, ns: the first, the last, the hours of the day (a bit each, UTC), whether it saw
    workdays (1) and weekends (2), and whether its level moves slowly.
    """

    begin: int
    end: int
    hours: int
    days: int
    moves: int

    @classmethod
    def of(cls, times: I64, values: F64) -> Self:
        """What readings (float64[n]) at these times (int64[n], ns) cover; n > 3."""
        hours = sum(1 << hour for hour in np.unique(times % DAY // _HOUR).tolist())
        days = 0
        for day in np.unique(times // DAY).tolist():
            days |= _kind(day)
        quarters = [float(np.mean(part)) for part in np.array_split(values, 4)]
        moves = int(float(np.var(quarters)) > _SLOW * float(np.var(values)))
        return cls(int(times.min()), int(times.max()), hours, days, moves)

    def row(self) -> tuple[int, ...]:
        """The fields as numbers."""
        return self.begin, self.end, self.hours, self.days, self.moves

    @classmethod
    def of_row(cls, row: I64) -> Self:
        """What ``row`` gave."""
        return cls(*(int(each) for each in row))

    def unseen(self, since: int, now: int, watched: int) -> str:
        """What a change that was there from ``since`` to ``now`` may owe to its time alone; empty: nothing.

        ``watched``: event time from which on the series was watched without alarm. An hour of the day that passed
        quietly once is known, and so is a weekend.
        """
        span = self.end - self.begin
        if span >= DAY or (span >= _LEAST and self.moves):
            hours = {since % DAY // _HOUR, now % DAY // _HOUR}
            if since - watched < DAY and not any(self.hours >> hour & 1 for hour in hours):
                return f"the reference has no readings from {now % DAY // _HOUR:02d} h to the next hour (UTC)"
        day = now // DAY
        if span >= _WHOLE_DAYS and since - watched < 7 * DAY and not _kind(day) & self.days:
            while _kind(day - 1) == _kind(day):
                day -= 1
            if abs(since - day * DAY) <= _NEAR:
                return "the reference has no readings from a " + ("weekend" if _kind(day) == _WEEKEND else "workday")
        return ""


def _kind(day: int) -> int:
    # Day 0 was a Thursday.
    return _WEEKEND if (day + 3) % 7 >= 5 else _WORKDAYS
