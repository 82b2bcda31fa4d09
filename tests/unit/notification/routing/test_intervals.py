"""Time intervals have Alertmanager's meaning."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.notification.routing.intervals import Interval, fitting
from contracts.instants import from_iso
from contracts.routes import TimeRange
from tests.unit.notification.routing.made import World, routing, when

OFFICE = {"times": [{"start_time": "09:00", "end_time": "17:00"}], "weekdays": ["monday:friday"]}


def contains(given: dict[str, Any], at: str) -> bool:
    return Interval((fitting(TimeRange.model_validate(given)),)).contains(from_iso(at))


@pytest.mark.parametrize(
    ("given", "at", "inside"),
    [
        (OFFICE, "2026-11-20T09:00:00Z", True),
        (OFFICE, "2026-11-20T16:59:59Z", True),
        (OFFICE, "2026-11-20T17:00:00Z", False),
        (OFFICE, "2026-11-21T12:00:00Z", False),
        (OFFICE | {"location": "Australia/Sydney"}, "2026-11-19T22:30:00Z", True),
        (OFFICE | {"location": "Australia/Sydney"}, "2026-11-20T22:30:00Z", False),
        ({"times": [{"start_time": "22:00", "end_time": "24:00"}]}, "2026-11-20T23:59:59Z", True),
        ({"weekdays": ["Saturday", "sunday"]}, "2026-11-22T00:00:00Z", True),
        ({"weekdays": ["sunday:tuesday"]}, "2026-11-24T00:00:00Z", True),
        ({"days_of_month": ["-1"]}, "2026-02-28T12:00:00Z", True),
        ({"days_of_month": ["-1"]}, "2028-02-28T12:00:00Z", False),
        ({"days_of_month": ["-1"]}, "2026-12-31T23:59:59Z", True),
        ({"days_of_month": ["-3:-1"]}, "2026-04-28T00:00:00Z", True),
        ({"days_of_month": ["-3:-1"]}, "2026-04-27T00:00:00Z", False),
        ({"days_of_month": ["1:5", "20:-1"]}, "2026-04-06T00:00:00Z", False),
        ({"days_of_month": ["1:5", "20:-1"]}, "2026-04-30T00:00:00Z", True),
        ({"days_of_month": ["5:-25"]}, "2026-04-06T00:00:00Z", True),
        ({"days_of_month": ["30:31"]}, "2026-02-28T00:00:00Z", False),
        ({"days_of_month": ["-31:-30"]}, "2026-02-01T00:00:00Z", False),
        ({"days_of_month": ["-31:-27"]}, "2026-02-02T00:00:00Z", True),
        ({"months": ["january:march", "12"]}, "2026-12-01T00:00:00Z", True),
        ({"months": ["january:march", "12"]}, "2026-04-01T00:00:00Z", False),
        ({"years": ["2025:2026", "2030"]}, "2026-04-01T00:00:00Z", True),
        ({"years": ["2025:2026", "2030"]}, "2027-04-01T00:00:00Z", False),
        ({}, "2027-04-01T00:00:00Z", True),
    ],
)
def test_a_time_fits_all_of_what_is_said(given: dict[str, Any], at: str, inside: bool) -> None:
    assert contains(given, at) is inside


@pytest.mark.parametrize(
    "given",
    [
        {"times": [{"start_time": "17:00", "end_time": "09:00"}]},
        {"times": [{"start_time": "9:00", "end_time": "10:00"}]},
        {"times": [{"start_time": "09:00"}]},
        {"times": [{"start_time": "09:00", "end_time": "24:01"}]},
        {"weekdays": ["saturday:sunday"]},
        {"weekdays": ["mo"]},
        {"weekdays": ["3"]},
        {"weekdays": ["monday:tuesday:friday"]},
        {"days_of_month": ["0"]},
        {"days_of_month": ["32"]},
        {"days_of_month": ["-1:1"]},
        {"days_of_month": ["5:1"]},
        {"days_of_month": ["5:-26"]},
        {"days_of_month": ["x"]},
        {"months": ["13"]},
        {"months": ["december:january"]},
        {"years": ["2027:2026"]},
        {"years": ["soon"]},
        {"location": "Mars/Olympus"},
        {"location": "../../etc/passwd"},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is no|is not|before|begins|a month has"):
        fitting(TimeRange.model_validate(given))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]),
)
def test_the_last_day_of_a_month_is_followed_by_the_first(moment: datetime, zone: str) -> None:
    at = moment.replace(tzinfo=ZoneInfo("UTC"))
    last = contains({"days_of_month": ["-1"], "location": zone}, at.isoformat(timespec="seconds"))
    local = at.astimezone(ZoneInfo(zone))
    assert last == ((local.replace(tzinfo=None) + timedelta(days=1)).day == 1)


def test_a_muted_route_tells_when_the_interval_is_over() -> None:
    times = {"group_wait": "10s", "group_interval": "1m", "group_by": ["site"]}
    night = {"name": "night", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "00:05"}]}]}
    world = World(
        routing({**times, "routes": [{"receiver": "ada", "mute_time_intervals": ["night"]}]}, time_intervals=[night])
    )
    world.fire("a")
    assert when(world.pass_to(400)) == [(310, "new", "a", "")]


def test_an_active_route_tells_only_within_one_of_its_intervals() -> None:
    times = {"group_wait": "10s", "group_interval": "1m", "repeat_interval": "1m", "group_by": ["site"]}
    intervals = [
        {"name": name, "time_intervals": [{"times": [{"start_time": begin, "end_time": end}]}]}
        for name, begin, end in (("early", "00:02", "00:04"), ("late", "00:08", "00:09"))
    ]
    world = World(
        routing(
            {**times, "routes": [{"receiver": "ada", "active_time_intervals": ["early", "late"]}]},
            time_intervals=intervals,
        )
    )
    world.fire("a")
    assert [at for at, *_ in when(world.pass_to(900))] == [130, 490]
