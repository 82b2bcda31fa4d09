"""Every series as it is now, by what happened to it."""

from typing import Any

import numpy as np
import pytest

from console.watching.fleet import STATES, Fleet
from console.watching.priming import happened
from console.watching.telling import Wanted, columns_of, news, rounded
from contracts.events import AlertChanged, AnomalyCleared, DriftReferenced
from contracts.instants import SECOND
from tests.apis import alerts
from tests.fleets import anomaly, batch, drifted, incident


def fleet_of(*names: str) -> Fleet:
    fleet = Fleet()
    accept(fleet, list(names), [1.0] * len(names), [0.0] * len(names))
    return fleet


def accept(fleet: Fleet, names: list[str], times: list[float], values: list[float], now: int = 7) -> None:
    found = batch(names, times, values)
    fleet.accept(fleet.rows(found.series)[found.code], found, now)


def changed(number: int, asset: str, **fields: Any) -> AlertChanged:
    (found,) = alerts(number, 1, asset, **fields)
    assert isinstance(found, AlertChanged)
    return found


def state(fleet: Fleet, name: str) -> str:
    fleet.settle()
    return STATES[fleet.columns.state[fleet.numbers[name]]]


def last(fleet: Fleet, name: str) -> tuple[float, float]:
    number = fleet.numbers[name]
    return fleet.columns.time[number] / SECOND, float(fleet.columns.value[number])


def test_the_last_reading_is_the_newest_by_its_own_time() -> None:
    """In whatever order a batch has them, and whatever came before."""
    fleet = Fleet()
    accept(fleet, ["a/x", "a/y", "a/x", "a/x"], [5, 1, 9, 7], [50, 10, 90, 70])
    assert (last(fleet, "a/x"), last(fleet, "a/y")) == ((9, 90), (1, 10))
    accept(fleet, ["a/x", "a/y"], [8, 2], [80, 20])
    assert (last(fleet, "a/x"), last(fleet, "a/y")) == ((9, 90), (2, 20))


def test_of_readings_of_one_time_the_one_that_came_last_counts() -> None:
    fleet = Fleet()
    accept(fleet, ["a/x", "a/x"], [5, 5], [1, 2])
    assert last(fleet, "a/x") == (5, 2)


def test_thousands_of_series_keep_their_rows_while_more_come() -> None:
    """Columns grow, numbers stay."""
    fleet = Fleet()
    for first in range(0, 10_000, 500):
        names = [f"m{n // 20}/c{n % 20}" for n in range(first, first + 500)]
        accept(fleet, names, [1.0] * 500, [float(n) for n in range(first, first + 500)])
    assert fleet.columns.value[: len(fleet)].tolist() == list(range(10_000))
    assert fleet.summary() | {"per_min": 0, "states": 0} == {
        "assets": 500, "series": 10_000, "alerts": {"critical": 0, "warning": 0, "info": 0, "silenced": 0},
        "gaps": 0, "drifts": 0, "last": SECOND, "per_min": 0, "states": 0,
    }  # fmt: skip


def test_a_state_is_the_worst_that_applies_and_goes_back_with_its_cause() -> None:
    fleet = fleet_of("a/x", "a/y")
    happened(fleet, drifted("a", "x"), followed=True)
    assert state(fleet, "a/x") == "drift"
    happened(fleet, incident("a", "x", "stuck"), followed=True)
    assert state(fleet, "a/x") == "data"
    happened(fleet, incident("a", "x", "stale"), followed=True)
    assert state(fleet, "a/x") == "gap"
    alert = changed(1, "a", channel="x", severity="critical")
    fleet.trouble(fleet.troubles.alert(alert))
    assert (state(fleet, "a/x"), state(fleet, "a/y")) == ("critical", "ok")
    over = changed(1, "a", channel="x", state="resolved", change="resolved")
    fleet.trouble(fleet.troubles.alert(over))
    assert state(fleet, "a/x") == "gap"
    happened(fleet, incident("a", "x", "stale", "closed"), followed=True)
    happened(fleet, incident("a", "x", "stuck", "closed"), followed=True)
    assert state(fleet, "a/x") == "drift"
    referenced = DriftReferenced.of(
        cause="c", time=11, asset="a", channel="x", agent="drift", reference="r", origin="own past", begin=1, end=2,
        by="ann",
    )  # fmt: skip
    happened(fleet, referenced, followed=True)
    assert state(fleet, "a/x") == "ok"


def test_an_alert_of_a_whole_asset_is_one_of_the_channels_that_contribute() -> None:
    """Where none is named, of all; also of a channel that is seen first after it."""
    fleet = fleet_of("a/x", "a/y", "b/x")
    for number, shares in enumerate(({"y": 0.8}, {})):
        alert = changed(number, "ab"[number], contributions=shares)
        fleet.trouble(fleet.troubles.alert(alert))
    accept(fleet, ["b/new"], [1], [1])
    assert [state(fleet, name) for name in ("a/x", "a/y", "b/x", "b/new")] == ["ok", "warning", "warning", "warning"]


def test_a_pair_that_drifts_is_both_of_its_channels() -> None:
    fleet = fleet_of("a/x", "a/y", "a/z")
    happened(fleet, drifted("a", "x with a/y", "correlation"), followed=True)
    assert [state(fleet, name) for name in fleet.names] == ["drift", "drift", "ok"]


def test_a_series_is_silenced_where_all_its_alerts_are() -> None:
    fleet = fleet_of("a/x")
    quiet, loud = changed(1, "a", channel="x", silenced=True), changed(2, "a", channel="x")
    fleet.troubles.alert(quiet)
    fleet.trouble("a")
    happened(fleet, drifted("a", "x"), followed=True)
    assert state(fleet, "a/x") == "silenced"
    fleet.trouble(fleet.troubles.alert(loud))
    assert state(fleet, "a/x") == "warning"
    assert fleet.summary()["alerts"] == {"critical": 0, "warning": 1, "info": 0, "silenced": 1}


@pytest.mark.parametrize("followed", [True, False])
def test_anomalies_count_by_themselves_only_where_nobody_follows_alerts(followed: bool) -> None:
    fleet = fleet_of("a/x")
    found = anomaly("a", "x")
    happened(fleet, found, followed=followed)
    assert state(fleet, "a/x") == ("ok" if followed else "warning")
    fields = {name: getattr(found, name) for name in ("detector", "bundle", "feature_set", "environment", "evidence")}
    cleared = AnomalyCleared.of(cause=found.id, time=20, asset="a", channel="x", lasted=1, **fields)
    happened(fleet, cleared, followed=followed)
    assert state(fleet, "a/x") == "ok"


def test_readings_a_minute_are_those_of_the_last_minute() -> None:
    fleet = Fleet()
    for second in range(200):
        fleet.pass_time(100.0 + second)
        accept(fleet, ["a/x"] * 2, [second, second + 0.5], [1, 1])
    assert 118 <= fleet.per_minute(np.array([0]))[0][0] <= 126
    for second in range(200, 270):
        fleet.pass_time(100.0 + second)
    assert fleet.per_minute(np.array([0]))[0].tolist() == [0]


def test_what_is_wanted_is_found_by_state_severity_and_name() -> None:
    fleet = fleet_of("Pump-1/x", "pump-2/x", "fan/x")
    for number, severity in enumerate(("info", "critical")):
        alert = changed(number, ("Pump-1", "fan")[number], channel="x", severity=severity)
        fleet.trouble(fleet.troubles.alert(alert))
    fleet.settle()
    assert Wanted(text="PUMP").among(fleet).tolist() == [0, 1]
    assert Wanted(frozenset({"ok", "critical"})).among(fleet).tolist() == [1, 2]
    assert Wanted(least="info").among(fleet).tolist() == [0, 2]
    assert Wanted(frozenset({"info"}), "warning").among(fleet).tolist() == []


def test_news_are_told_once_and_all_get_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more moves than a message holds."""
    monkeypatch.setattr("console.watching.telling._MOST_MOVED", 3)
    fleet = fleet_of(*(f"a/c{n}" for n in range(8)))
    told, begin = list[list[int]](), 0
    for _ in range(3):
        found, begin = news(fleet, begin)
        told.append(found["moved"]["number"])
    assert [len(part) for part in told] == [3, 3, 2]
    assert sorted(number for part in told for number in part) == list(range(8))
    assert news(fleet, begin) == ({}, begin)


def test_a_change_of_state_is_told_with_the_facts_of_its_series_alone() -> None:
    fleet = fleet_of("a/x", "a/y")
    fleet.settle()
    assert news(fleet, 0)[0]["facts"]["channel"] == ["x", "y"]
    happened(fleet, incident("a", "y"), followed=True)
    fleet.settle()
    facts = news(fleet, 0)[0]["facts"]
    assert (facts["channel"], facts["state"], facts["data"]) == (["y"], ["gap"], ["stale"])


def test_values_are_rounded_as_they_are_shown() -> None:
    values = np.array([0.1234567, -98765432.1, 0.0, np.nan, np.inf, 1e-300, 1.7e308])
    *some, largest = rounded(values)
    assert some == [0.123457, -98765400.0, 0.0, None, None, 1e-300]
    assert largest == pytest.approx(1.7e308)


def test_a_series_without_a_reading_has_no_time_and_no_value() -> None:
    fleet = Fleet()
    fleet.known("a", "x", int(np.iinfo(np.int64).min), 0.0)
    columns = columns_of(fleet, np.array([0]))
    assert (columns["time"], columns["value"], columns["arrived"]) == ([None], [None], [None])
