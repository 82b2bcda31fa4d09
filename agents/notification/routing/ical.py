"""Who is on call by an iCal file (RFC 5545): the summary of an event names the subscriber."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from contracts.instants import SECOND

_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Calendar:
    """The events of one file, repetitions and exceptions included."""

    query: Any
    zone: ZoneInfo
    """Of times that name none, and of whole days."""

    @classmethod
    def read(cls, path: Path, zone: ZoneInfo) -> "Calendar":
        """The calendar of a file.

        Raises ValueError where it cannot be read, is no calendar, is over 1 MiB, or the extra ``ical`` is missing.
        """
        try:
            import icalendar
            import recurring_ical_events
        except ImportError as error:
            raise ValueError("an ical file needs the extra ical: pip install 'tocsin[ical]'") from error
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from error
        if len(data) > _MOST_BYTES:
            raise ValueError(f"{path} is larger than {_MOST_BYTES:,} bytes")
        try:
            query = recurring_ical_events.of(icalendar.Calendar.from_ical(data))
            calendar = cls(query, zone)
            # Rules are read when they are first asked for: what is wrong with them is to be known now.
            calendar.at(0)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no calendar: {error}") from error
        return calendar

    def at(self, at: int) -> str | None:
        """Whose event it is; of several, the one that began last: a swap lies over the week that it is in."""
        moment = datetime.fromtimestamp(at // SECOND, self.zone)
        events = self.query.between(moment, moment + timedelta(seconds=1))
        running = [(self._instant(event.start), str(event.get("SUMMARY", "")).strip()) for event in events]
        names = sorted((begin, name) for begin, name in running if name)
        return names[-1][1] if names else None

    def _instant(self, given: date) -> datetime:
        if not isinstance(given, datetime):
            given = datetime(given.year, given.month, given.day)  # noqa: DTZ001 - gets its zone below
        return (given if given.tzinfo is not None else given.replace(tzinfo=self.zone)).astimezone(UTC)
