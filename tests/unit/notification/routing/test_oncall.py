"""Who is on call follows the clock on the wall, and the calendar with its exceptions."""

from pathlib import Path
from typing import Any

import pytest

from agents.notification.routing import Routing
from contracts.errors import ConfigError
from contracts.instants import from_iso
from tests.unit.notification.routing.made import routing, settings

CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//test//EN
BEGIN:VEVENT
UID:week
DTSTART;TZID=Europe/Berlin:20261019T080000
DTEND;TZID=Europe/Berlin:20261026T080000
RRULE:FREQ=WEEKLY;INTERVAL=2
EXDATE;TZID=Europe/Berlin:20261116T080000
SUMMARY:ada
END:VEVENT
BEGIN:VEVENT
UID:other
DTSTART;TZID=Europe/Berlin:20261026T080000
DTEND;TZID=Europe/Berlin:20261102T080000
RRULE:FREQ=WEEKLY;INTERVAL=2
SUMMARY: bob
END:VEVENT
BEGIN:VEVENT
UID:swap
DTSTART;VALUE=DATE:20261028
DTEND;VALUE=DATE:20261029
SUMMARY:cy
END:VEVENT
BEGIN:VEVENT
UID:floating
DTSTART:20261117T080000
DTEND:20261117T090000
SUMMARY:ops
END:VEVENT
END:VCALENDAR
"""


def on_call(schedule: dict[str, Any], at: str, folder: Path = Path()) -> str | None:
    found = Routing.of(settings({}, schedules={"week": schedule}), folder)
    assert found is not None
    return found.on_call("week", from_iso(at))


def turns(**others: Any) -> dict[str, Any]:
    return {
        "subscribers": ["ada", "bob", "cy"], "begins": "2026-10-19T08:00:00+02:00", "location": "Europe/Berlin",
        **others,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-10-19T05:59:59Z", None),
        ("2026-10-19T06:00:00Z", "ada"),
        ("2026-10-26T06:59:59Z", "ada"),
        # Summer time has ended on the 25th: 08:00 on the wall is 07:00 UTC from then on.
        ("2026-10-26T07:00:00Z", "bob"),
        ("2026-11-02T07:00:00Z", "cy"),
        ("2026-11-09T06:59:59Z", "cy"),
        ("2026-11-09T07:00:00Z", "ada"),
        ("2027-03-29T05:59:59Z", "bob"),
        ("2027-03-29T06:00:00Z", "cy"),
    ],
)
def test_turns_of_whole_days_end_at_the_same_hour_of_the_wall(at: str, who: str | None) -> None:
    assert on_call(turns(turn="7d"), at) == who


def test_shorter_turns_are_of_the_same_length_always() -> None:
    shift = turns(turn="8h", begins="2026-10-24T22:00:00+02:00")
    times = ("2026-10-25T03:59:59Z", "2026-10-25T04:00:00Z", "2026-10-25T12:00:00Z", "2026-10-25T20:00:00Z")
    assert [on_call(shift, at) for at in times] == ["ada", "bob", "cy", "ada"]


def test_a_turn_that_ends_in_the_hour_that_comes_twice_ends_once() -> None:
    daily = turns(turn="1d", begins="2026-10-24T02:30:00+02:00")
    # 02:30 comes at 00:30 UTC, and again at 01:30.
    times = ("2026-10-25T00:29:59Z", "2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z")
    assert [on_call(daily, at) for at in times] == ["ada", "bob", "bob", "bob"]


def test_a_turn_that_ends_in_the_hour_that_never_comes_ends_all_the_same() -> None:
    daily = turns(turn="1d", begins="2027-03-27T02:30:00+01:00")
    # 02:30 on a wall that knew no summer time is 03:30 in it.
    times = ("2027-03-28T01:29:59Z", "2027-03-28T01:30:00Z", "2027-03-29T00:29:59Z", "2027-03-29T00:30:00Z")
    assert [on_call(daily, at) for at in times] == ["ada", "bob", "bob", "cy"]


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-10-19T05:59:59Z", None),
        ("2026-10-19T06:00:00Z", "ada"),
        ("2026-10-27T22:59:59Z", "bob"),
        # The swap lies over bob's week for a whole local day.
        ("2026-10-27T23:00:00Z", "cy"),
        ("2026-10-28T22:59:59Z", "cy"),
        ("2026-10-28T23:00:00Z", "bob"),
        # A week of winter: the hour of the wall is the same.
        ("2026-11-02T06:59:59Z", "bob"),
        ("2026-11-02T07:00:00Z", "ada"),
        # The week of the 16th is taken out, but for an hour of the schedule's own zone.
        ("2026-11-16T08:00:00Z", None),
        ("2026-11-17T07:00:00Z", "ops"),
        ("2026-11-17T08:00:00Z", None),
    ],
)
def test_a_calendar_names_whoever_has_the_event(tmp_path: Path, at: str, who: str | None) -> None:
    (tmp_path / "duty.ics").write_text(CALENDAR.replace("\n", "\r\n"))
    assert on_call({"ical": "duty.ics", "location": "Europe/Berlin"}, at, tmp_path) == who


@pytest.mark.parametrize("text", ["", "BEGIN:VEVENT", "no calendar", "x" * (1 << 20 | 1)])
def test_what_is_no_calendar_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "duty.ics").write_text(text)
    with pytest.raises(ConfigError, match=r"schedules\.week: .*duty\.ics"):
        on_call({"ical": "duty.ics"}, "2026-11-20T00:00:00Z", tmp_path)


def test_a_calendar_that_is_not_there_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        on_call({"ical": "duty.ics"}, "2026-11-20T00:00:00Z", tmp_path)


def test_a_name_that_is_no_schedule_is_on_call_itself() -> None:
    assert routing({}).on_call("ada", 0) == "ada"
