"""Who is told of which alerts, in Alertmanager's words: routes, receivers, inhibition, times, and who is on call."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from .durations import Duration
from .sections import Section


class Route(Section):
    """A node of the tree. What a node does not say it has from the one above, but for its time intervals."""

    receiver: str = ""
    matchers: tuple[str, ...] = Field(default=(), description='as severity="critical"; all must match')
    group_by: tuple[str, ...] | None = Field(
        default=None, description='labels; ["..."]: every alert by itself; empty: as above'
    )
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    continue_: bool = Field(default=False, alias="continue", description="also try the nodes that follow")
    routes: tuple["Route", ...] = ()


class InhibitRule(Section):
    """While an alert of the source fires, none of the target is told that has the same values of ``equal``."""

    source_matchers: tuple[str, ...] = Field(min_length=1)
    target_matchers: tuple[str, ...] = Field(min_length=1)
    equal: tuple[str, ...] = ()


class TimeRange(Section):
    """Times that fit all of what is said here; what is not said fits always."""

    times: tuple[dict[Literal["start_time", "end_time"], str], ...] = ()
    weekdays: tuple[str, ...] = Field(default=(), description="monday:friday, sunday")
    days_of_month: tuple[str, ...] = Field(default=(), description="1:5, -3:-1")
    months: tuple[str, ...] = Field(default=(), description="january:march, 12")
    years: tuple[str, ...] = ()
    location: str = Field(default="UTC", description="name of a time zone")


class TimeInterval(Section):
    """A named set of times, as night, or a maintenance window."""

    name: str
    time_intervals: tuple[TimeRange, ...] = Field(min_length=1)


class Schedule(Section):
    """Who is on call: subscribers in turns, or whom an iCal file names in the summary of its events."""

    subscribers: tuple[str, ...] = Field(default=(), description="in turns, each for ``turn``")
    turn: Duration = Field(default=604_800.0, gt=0)
    begins: datetime | None = Field(default=None, description="when the first turn began, with a zone")
    location: str = Field(default="UTC", description="zone whose days a turn of whole days follows")
    ical: Path | None = Field(default=None, description="file; an event's summary names the subscriber")

    @model_validator(mode="after")
    def _one(self) -> "Schedule":
        if (self.ical is None) == (not self.subscribers):
            raise ValueError("name either subscribers or an ical file")
        if self.subscribers and (self.begins is None or self.begins.tzinfo is None):
            raise ValueError("begins is needed, with a zone, as 2026-11-16T08:00:00+01:00")
        return self


class Step(Section):
    """Who is told, ``after`` so long without an acknowledgement."""

    after: Duration = 0.0
    tell: tuple[str, ...] = Field(min_length=1, description="subscribers and schedules")


class Receiver(Section):
    """Whom a route tells: one step, or several that go on until somebody acknowledges."""

    steps: tuple[Step, ...] = Field(min_length=1)
    send_resolved: bool = True
