"""Who is on call at a time: subscribers in turns, or whom a calendar names."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from contracts.instants import SECOND
from contracts.routes import Schedule

from .intervals import zone

_DAY = timedelta(days=1)


class Rota(Protocol):
    """Somebody, or nobody, for every time."""

    def at(self, at: int) -> str | None:
        """The subscriber that is on call at a time (wall clock, ns); None: nobody."""
        ...


@dataclass(frozen=True)
class Turns:
    """Subscribers one after the other, again and again; nobody before the first turn begins."""

    subscribers: tuple[str, ...]
    begins: datetime
    turn: timedelta
    zone: ZoneInfo

    def at(self, at: int) -> str | None:
        moment = datetime.fromtimestamp(at // SECOND, UTC)
        if moment < self.begins:
            return None
        return self.subscribers[self._turns(moment) % len(self.subscribers)]

    def _turns(self, moment: datetime) -> int:
        """How many turns have ended."""
        if self.turn % _DAY:
            return (moment - self.begins) // self.turn
        # Whole days end at the same hour of the clock on the wall, so some have 23 hours or 25.
        first = self.begins.astimezone(self.zone).replace(tzinfo=None)
        count = (moment.astimezone(self.zone).replace(tzinfo=None) - first) // self.turn
        # In the hour that comes twice, or never, the wall alone does not tell.
        while moment < self._begin(first, count):
            count -= 1
        while moment >= self._begin(first, count + 1):
            count += 1
        return count

    def _begin(self, first: datetime, count: int) -> datetime:
        return (first + count * self.turn).replace(tzinfo=self.zone).astimezone(UTC)


def rotas_of(schedules: Mapping[str, Schedule], folder: Path, problems: list[str]) -> Mapping[str, Rota]:
    """The schedules by name, calendars read from their files; what is wrong is added to ``problems``."""
    found: dict[str, Rota] = {}
    for name, schedule in schedules.items():
        try:
            found[name] = _rota(schedule, folder)
        except ValueError as error:
            problems.append(f"schedules.{name}: {error}")
    return found


def _rota(schedule: Schedule, folder: Path) -> Rota:
    where = zone(schedule.location)
    if schedule.ical is not None:
        from .ical import Calendar  # needs an extra

        return Calendar.read(folder / schedule.ical, where)
    begins = schedule.begins
    assert begins is not None, "a schedule with subscribers has a begin"  # noqa: S101 - checked by Schedule itself
    return Turns(schedule.subscribers, begins.astimezone(UTC), timedelta(seconds=schedule.turn), where)
