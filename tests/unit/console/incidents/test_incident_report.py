"""What a report on an incident says of a log."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bus.protocol import Place
from console.curves.trace import Trace
from console.incidents import gathering
from contracts.errors import NotFound
from contracts.events import (
    NotificationDue,
    NotificationSent,
    ReadingsAccepted,
)
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.instants import SECOND, from_iso, iso
from contracts.readings import Readings, Series
from tests.unit.notification.alerts.sequence import Scene, ack, over, signal, signalled, tick
from tests.unit.notification.made import T0, anomaly, cleared

from .log import BEGAN, PARTITIONS, Log, readings, trouble

ROUTED = {
    "route": {"receiver": "ann", "group_wait": "0s", "group_interval": "1s"},
    "subscribers": {"ann": {"kind": "console"}},
}


async def test_a_finding_is_told_with_its_end_its_curve_and_what_became_of_its_message(log: Log) -> None:
    due = NotificationDue.of(
        cause=log.finding.id, time=log.finding.time, asset="pump", subject="hot", body="b", severity="warning",
        finding=log.finding.id, key="k",
    )  # fmt: skip
    # A batch of old readings is told of when it is run, not when it was.
    sent = NotificationSent.of(cause="k", time=T0 * 2, asset="ann", subscriber="ann", key="k", attempt=2)
    await log.put(cleared(log.finding, 300), due, sent)
    found = await log.report(log.finding.id[:12])
    assert (found["alert"]["state"], found["alert"]["ended"]) == ("over", iso(T0 + (BEGAN + 300) * SECOND))
    assert [row["what"] for row in found["timeline"]] == [
        "AnomalyDetected", "NotificationDue", "AnomalyCleared", "delivered",
    ]  # fmt: skip
    assert found["impact"]["lasted_s"] == 300
    assert found["impact"]["accepted"] == BEGAN + 300 + 300 + 1, "from the beginning to five minutes after the end"
    assert [row["series"] for row in found["curves"]] == ["pump/temperature"]
    assert {mark["what"] for mark in found["curves"][0]["marks"]} == {"AnomalyDetected", "AnomalyCleared"}
    assert found["missing"] == {}


async def test_an_alert_is_told_with_its_life_and_who_took_care_of_it(log: Log) -> None:
    scene = Scene(**ROUTED)
    scene.feed(tick(BEGAN), signalled(BEGAN, signal(log.finding.id, at=log.finding.time, channel="temperature")))
    scene.feed(tick(BEGAN + 1), ack(scene, BEGAN + 30), tick(BEGAN + 60))
    scene.feed(signalled(BEGAN + 60, over("f2", closes=log.finding.id, channel="temperature")), tick(BEGAN + 61))
    await log.put(*scene.changes, *scene.told, partition=home_of("signals", PARTITIONS))
    by_finding, by_alert = await log.report(), await log.report(scene.changes[0].alert[:10])
    assert by_finding == by_alert
    assert by_alert["alert"]["what"] == "alert"
    assert by_alert["alert"]["finding"] == log.finding.id
    whats = [row["what"] for row in by_alert["timeline"]]
    assert whats == ["AnomalyDetected", "opened", "told ann", "acknowledged", "resolved", "told ann"]
    assert [(row["what"], row["by"]) for row in by_alert["actions"]] == [("acknowledged", "ann")]
    assert by_alert["impact"]["messages"] == 2
    assert by_alert["impact"]["lasted_s"] == 60


async def test_an_alert_whose_beginning_was_trimmed_says_so(log: Log) -> None:
    scene = Scene(**ROUTED)
    scene.feed(tick(0), signalled(0, signal("gone", at=T0)), tick(1))
    scene.feed(ack(scene, 30), tick(60))
    await log.put(*scene.changes[1:], partition=home_of("signals", PARTITIONS))
    missing = (await log.report(scene.changes[0].alert))["missing"]
    assert "gone from the log" in missing["life"]
    assert "no finding has the id gone" in missing["finding"]


async def test_the_beginning_of_two_alerts_is_refused(log: Log) -> None:
    scene = Scene(**ROUTED)
    # More than there are hexadecimal digits: two begin with the same one.
    scene.feed(tick(0), *(signalled(1, signal(f"zz{number}", asset=f"a{number}")) for number in range(17)), tick(2))
    await log.put(*scene.changes, partition=home_of("signals", PARTITIONS))
    names = [change.alert for change in scene.changes]
    twice = next(name[0] for number, name in enumerate(names) if name[0] in [other[0] for other in names[:number]])
    with pytest.raises(NotFound, match=r"is the beginning of \d+ ids"):
        await log.subject(twice)


async def test_an_id_that_is_not_known_or_not_only_one_is_refused(log: Log) -> None:
    with pytest.raises(NotFound, match="no finding has the id"):
        await log.subject("ffffffff")
    opened = cleared(log.finding, 10)
    await log.put(opened)
    with pytest.raises(NotFound, match="is a AnomalyCleared"):
        await log.subject(opened.id)
    await log.put(*(anomaly(2_000 + number) for number in range(40)))
    with pytest.raises(NotFound, match="is the beginning of"):
        await log.subject(log.finding.id[:1])


# ---------------------------------------------------------------- what is left out


async def test_what_does_not_fit_is_counted(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_EVENTS", 3)
    await log.put(*(trouble("gap", second) for second in range(10, 20)))
    found = await log.report()
    assert len(found["timeline"]) == 3
    assert found["missing"]["timeline"] == "8 later events are left out"


async def test_entries_that_cannot_be_read_are_named(log: Log) -> None:
    place = Place("incidents", partition_of("pump", PARTITIONS))
    (frame,) = encode([trouble("gap", 10)], "test")
    await log.bus.append(place, [replace(frame, body=frame.body[:-4])])
    assert (await log.report())["missing"]["entries"].startswith(f"incidents/{place.partition}:1: ")


async def test_without_readings_it_says_that_there_are_none(tmp_path: Path) -> None:
    log = Log(tmp_path)
    await log.put(log.finding)
    found = await log.report()
    assert found["curves"] == []
    assert "no readings" in found["missing"]["readings"]


async def test_a_curve_begins_and_ends_where_the_readings_do_and_keeps_the_extremes(tmp_path: Path) -> None:
    log = Log(tmp_path)
    late = readings(950, 960)
    await log.put(ReadingsAccepted(readings(980, 1_001)), ReadingsAccepted(late), log.finding)
    (curve,) = [row["curve"] for row in (await log.report())["curves"]]
    assert from_iso(curve["times"][0]) == pytest.approx(T0 + 950 * SECOND, abs=SECOND / 10)
    assert from_iso(curve["times"][-1]) == pytest.approx(T0 + 1_000 * SECOND, abs=SECOND / 10)
    assert max(curve["high"]) == pytest.approx(np.sin(np.r_[950:960, 980:1_001]).max())
    assert len(curve["times"]) == 31


def test_a_trace_of_very_many_readings_is_the_same_curve_within_its_steps() -> None:
    trace = Trace((0, 1_000_000), most=500)
    for begin in range(0, 1_000_000, 10_000):
        at = np.arange(begin, begin + 10_000, 10)
        trace.add(at, np.sin(at / 1e5))
    assert trace._parts == []
    times, low, high = trace.bands()
    assert len(times) == 600
    assert np.abs(low - np.sin(times / 1e5)).max() < 0.02
    assert (low <= high).all()


async def test_of_many_channels_that_of_the_alert_is_drawn_first(tmp_path: Path) -> None:
    log = Log(tmp_path)
    series = [Series("s", "pump", f"c{number:02d}") for number in range(30)] + [Series("s", "pump", "temperature")]
    at = np.arange(900, 931)
    await log.put(ReadingsAccepted(Readings.of(series, at - 900, T0 + at * SECOND, at / 2.0, at)), log.finding)
    found = await log.report()
    assert len(found["curves"]) == gathering.MOST_CURVES
    assert found["curves"][0]["series"] == "pump/temperature"
    assert found["missing"]["curves"] == "23 series of the machine are not drawn"
