"""Time intervals: nights, weekends and maintenance windows, with Alertmanager's meaning."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.instants import SECOND
from contracts.routes import TimeInterval, TimeRange

Range = tuple[int, int]
End = Literal["start_time", "end_time"]

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_LONGEST_MONTH = 31
_ENDS: tuple[End, End] = ("start_time", "end_time")


@dataclass(frozen=True)
class Fitting:
    """One set of conditions; an empty one fits always. All ends are included but those of times."""

    minutes: tuple[Range, ...]
    weekdays: tuple[Range, ...]
    days: tuple[Range, ...]
    months: tuple[Range, ...]
    years: tuple[Range, ...]
    zone: ZoneInfo

    def contains(self, at: datetime) -> bool:
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return (
            (not self.minutes or any(begin <= minute < end for begin, end in self.minutes))
            and (not self.days or any(_is_day(local, begin, end) for begin, end in self.days))
            and _within(self.months, local.month)
            and _within(self.weekdays, local.isoweekday() % 7)
            and _within(self.years, local.year)
        )


@dataclass(frozen=True)
class Interval:
    """A named set of times."""

    fittings: tuple[Fitting, ...]

    def contains(self, at: int) -> bool:
        """Whether a time (wall clock, ns) is in it."""
        moment = datetime.fromtimestamp(at // SECOND, UTC)
        return any(fitting.contains(moment) for fitting in self.fittings)


def intervals_of(configured: Sequence[TimeInterval], problems: list[str]) -> Mapping[str, Interval]:
    """The intervals by name; what is wrong is added to ``problems``."""
    found: dict[str, Interval] = {}
    for at, interval in enumerate(configured):
        if interval.name in found:
            problems.append(f"time_intervals[{at}].name: {interval.name!r} stands twice")
        fittings = []
        for row, given in enumerate(interval.time_intervals):
            try:
                fittings.append(fitting(given))
            except ValueError as error:
                problems.append(f"time_intervals[{at}].time_intervals[{row}]: {error}")
        found[interval.name] = Interval(tuple(fittings))
    return found


def fitting(given: TimeRange) -> Fitting:
    """The conditions that a configuration writes down.

    Raises ValueError for what is no time, day, month, year or zone, and for ranges that end before they begin.
    """
    return Fitting(
        minutes=tuple(_minutes(times) for times in given.times),
        weekdays=tuple(_named(text, _DAYS, 0, "a day of the week") for text in given.weekdays),
        days=tuple(_days(text) for text in given.days_of_month),
        months=tuple(_named(text, _MONTHS, 1, "a month") for text in given.months),
        years=tuple(_numbers(text) for text in given.years),
        zone=zone(given.location),
    )


def zone(name: str) -> ZoneInfo:
    """The time zone of a name.

    Raises ValueError where there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone: write it as Europe/Berlin") from error


def _within(ranges: tuple[Range, ...], value: int) -> bool:
    return not ranges or any(begin <= value <= end for begin, end in ranges)


def _is_day(local: datetime, begin: int, end: int) -> bool:
    """Negative days count from the end of the month; a range is cut where the month ends."""
    first = local.replace(day=1)
    following = first.replace(year=local.year + local.month // 12, month=local.month % 12 + 1)
    length = (following.date() - first.date()).days
    begin = length + begin + 1 if begin < 0 else begin
    end = length + end + 1 if end < 0 else end
    return begin <= local.day <= end


def _minutes(times: Mapping[End, str]) -> Range:
    ends = []
    for name in _ENDS:
        text = times.get(name, "")
        if not _TIME.fullmatch(text):
            raise ValueError(f"{name}: {text!r} is no time of day: write it as 08:30; a day ends at 24:00")
        ends.append(int(text[:2]) * 60 + int(text[3:]))
    begin, end = ends
    if begin >= end:
        raise ValueError(f"times: {dict(times)} ends before it begins: write a night as two, to 24:00 and from 00:00")
    return begin, end


def _named(text: str, names: Sequence[str], base: int, what: str) -> Range:
    ends = []
    for part in text.lower().split(":"):
        word = part.strip()
        if word in names:
            ends.append(names.index(word) + base)
        elif base and word.isdecimal() and base <= int(word) < len(names) + base:
            ends.append(int(word))
        else:
            raise ValueError(f"{word!r} is not {what}")
    return _range(ends, text)


def _numbers(text: str) -> Range:
    try:
        return _range([int(part) for part in text.split(":")], text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no year or range of years") from error


def _days(text: str) -> Range:
    try:
        ends = [int(part) for part in text.split(":")]
    except ValueError as error:
        raise ValueError(f"{text!r} is no day of the month: write it as 1:5 or -1") from error
    if any(not 1 <= abs(day) <= _LONGEST_MONTH for day in ends):
        raise ValueError(f"{text!r}: a month has days 1 to 31, from its end -1 to -31")
    begin, end = ends[0], ends[-1]
    if begin < 0 < end:
        raise ValueError(f"{text!r}: a range that begins at the end of the month ends there, too")
    # As in Alertmanager: 30 days stand for a month whose length nobody knows yet.
    _range([30 + day if day < 0 else day for day in ends], text)
    return begin, end


def _range(ends: list[int], text: str) -> Range:
    if len(ends) > 2:
        raise ValueError(f"{text!r} is no range: write it as begin:end")
    if ends[0] > ends[-1]:
        raise ValueError(f"{text!r} ends before it begins")
    return ends[0], ends[-1]
