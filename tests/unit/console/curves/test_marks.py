"""What happened to a series stands on its curve, each kind made of the events that the agents write."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bus.protocol import Place
from console.curves import marks
from console.curves.marks import Mark
from contracts.events import (
    AlertLabelled,
    AnyEvent,
    DriftAcknowledged,
    ModelMeasured,
    ModelServed,
    ReadingsAccepted,
    ReadingsRejected,
)
from contracts.identity import home_of
from contracts.instants import SECOND
from contracts.readings import Readings, Series, Verdict
from tests.unit.console.curves.plant import PARTITIONS, PLACE, PlantLog, readings
from tests.unit.notification.alerts.sequence import Scene, over, signal, signalled, tick
from tests.unit.notification.made import T0, anomaly, cleared, drift, incident

ROUTED = {"route": {"receiver": "ann"}, "subscribers": {"ann": {"kind": "console"}}}


@pytest.fixture
async def log(tmp_path: Path) -> PlantLog:
    log = PlantLog(tmp_path)
    await log.read(np.zeros(1_000))
    return log


async def marks_of(log: PlantLog, *events: AnyEvent, since: float = 0, until: float = 999, **asked: Any) -> list[Mark]:
    await log.put(*events)
    return (await log.ask(since, until, **asked)).marks


def told(mark: Mark) -> tuple[str, float, float | None, bool]:
    """Kind, when it began and ended in seconds, and whether it lasts."""
    until = None if mark.until is None else (mark.until - T0) / SECOND
    return mark.kind, (mark.t - T0) / SECOND, until, mark.open


async def test_an_anomaly_lasts_until_it_is_cleared(log: PlantLog) -> None:
    first, second = anomaly(100), anomaly(500, severity="critical")
    found = await marks_of(
        log, first, cleared(first, 60), second, anomaly(600, channel="flow"), anomaly(601, asset="fan")
    )
    assert list(map(told, found)) == [("anomaly", 100, 160, False), ("anomaly", 500, None, True)]
    assert found[0].text == "far above its recent past: score 0.93 over 0.8, value 81.5; over after 60 s"
    assert (found[1].severity, found[1].id, found[1].link) == ("critical", second.id, f"/lineage/{second.id}")
    facts = (await log.ask(0, 999)).facts
    assert (facts["detector"], facts["threshold"], facts["bundle"]) == ("spike", 0.8, "b" * 32)


async def test_one_that_began_before_what_is_read_is_known_by_its_end(log: PlantLog) -> None:
    first = anomaly(100)
    found = await marks_of(log, cleared(first, 60), since=120, until=300)
    assert [(*told(each), each.id) for each in found] == [("anomaly", 100, 160, False, first.id)]


async def test_what_began_before_the_range_and_lasts_is_seen(log: PlantLog) -> None:
    await log.put(anomaly(100), incident(110, "open", since=T0 + 105 * SECOND))
    for stream in ("anomalies", "incidents"):
        await log.keep(1, 1, Place(stream, PLACE.partition))
    lasting = [("anomaly", 100, None, True), ("gap", 105, None, True)]
    assert list(map(told, await marks_of(log, since=700, until=800))) == lasting, "all findings are archived, and older"
    await log.put(anomaly(100_000), incident(100_001, since=T0 + 99_999 * SECOND))
    assert list(map(told, await marks_of(log, since=700, until=800))) == lasting
    assert await marks_of(log, since=50, until=90) == []


async def test_an_anomaly_of_the_machine_names_the_share_of_this_channel(log: PlantLog) -> None:
    (found,) = await marks_of(log, anomaly(100, channel="", contributions={"flow": 0.75, "temperature": 0.25}))
    assert "pump as a whole, this channel's share 25%" in found.text
    assert found.value is None


async def test_drift_reaches_from_when_it_began_to_when_it_was_found(log: PlantLog) -> None:
    found = await marks_of(log, drift(900, since=T0 + 300 * SECOND), drift(950, channel="flow"), since=290, until=310)
    assert [(*told(each), each.what) for each in found] == [("drift", 300, 900, False, "drift: mean up")]
    assert found[0].text == "drift: mean up by 1.5 sd"
    assert (await log.ask(290, 310)).facts["reference"] == "r" * 32


async def test_a_gap_closes_and_another_one_is_another(log: PlantLog) -> None:
    since: dict[str, Any] = {"since": T0 + 200 * SECOND}
    opened = incident(210, **since)
    found = await marks_of(log, opened, incident(260, "closed", detail="it came back", **since), incident(400))
    assert list(map(told, found)) == [("gap", 0, None, True), ("gap", 200, 260, False)]
    assert (found[1].id, found[1].text) == (opened.id, "gap: it came back")


async def test_rejected_readings_are_told_with_what_the_input_said(log: PlantLog) -> None:
    at = np.array([10, 20, 30, 5_000])
    series = [Series("s", "pump", "temperature"), Series("s", "pump", "flow")]
    verdict = np.array([Verdict.NOT_A_NUMBER, Verdict.OUT_OF_RANGE, Verdict.LATE, Verdict.LATE], np.uint8)
    batch = Readings.of(
        series, np.array([0, 0, 1, 0]), T0 + at * SECOND, np.array([np.nan, 900.0, 1.0, 1.0]), at, verdict=verdict,
        notes={0: "<b>off</b>"},
    )  # fmt: skip
    found = await marks_of(log, ReadingsRejected(batch))
    assert [(*told(each), each.what, each.value, each.count) for each in found] == [
        ("rejected", 10, None, False, "not a number", None, 1),
        ("rejected", 20, None, False, "out of range", 900.0, 1),
    ]
    assert found[0].text == "rejected: not a number; the input said '<b>off</b>'"
    assert (await log.ask(0, 999)).rejected == 2


async def test_very_many_rejected_readings_are_few_marks_that_count_them(log: PlantLog) -> None:
    at = np.arange(900)
    verdict = np.where(at % 3, Verdict.LATE, Verdict.STUCK).astype(np.uint8)
    batch = Readings.of(
        [Series("s", "pump", "temperature")], at * 0, T0 + at * SECOND, at.astype(np.float64), at, verdict=verdict
    )
    found = await marks_of(log, ReadingsRejected(batch))
    assert len(found) == 180
    assert sum(each.count for each in found) == 900
    assert found[0].text == "5 readings rejected: late (3), stuck (2); the first: value 0"
    assert told(found[0]) == ("rejected", 0, 4, False)


async def test_a_model_and_a_reference_stand_where_they_stand_among_the_readings(log: PlantLog) -> None:
    about: dict[str, Any] = {"cause": "c", "time": 1}
    served = ModelServed.of(asset="anomaly", agent="anomaly", bundle="d" * 64, **about)
    known = DriftAcknowledged.of(asset="pump", channel="temperature", action="rearm", by="ann", why="new belt", **about)
    other = DriftAcknowledged.of(asset="fan", channel="temperature", action="rearm", by="ann", **about)
    await log.put(served, known, other, ReadingsAccepted(readings(np.array([1_000]), np.zeros(1))))
    found = await marks_of(log, until=1_000)
    assert [(*told(each), each.what) for each in found] == [
        ("drift", 999, None, False, "rearm"), ("model", 999, None, False, "model")
    ]  # fmt: skip
    assert found[0].text == "drift: rearm, by ann new belt"
    assert found[1].text == f"anomaly serves {'d' * 12} from here on"


async def test_a_model_is_on_the_curve_where_segments_are_remembered(log: PlantLog) -> None:
    await log.put(ModelServed.of(cause="c", time=T0, asset="anomaly", agent="anomaly", bundle="d" * 64))
    await log.read(np.zeros(1_000), first=1_000)
    await log.keep(3_001 + 3_000, 2_000)
    for _ in range(2):
        assert [piece.inside(T0, T0 + 1_999 * SECOND) for piece in await log.pieces()].count(True) >= 3
        found = await marks_of(log, until=1_999, points=4)
        assert list(map(told, found)) == [("model", 999, None, False)]


async def test_which_bundle_scores_is_what_it_said_last(log: PlantLog) -> None:
    for bundle, role in (("old", "champion"), ("new", "champion"), ("tried", "candidate")):
        body: dict[str, Any] = {"agent": "anomaly", "since": T0, "readings": 1, "alerts": 0, "scores": (1,)}
        await log.put(ModelMeasured.of(cause=bundle, time=T0, asset="anomaly", bundle=bundle, role=role, **body))
    assert (await log.ask(0, 9)).facts["serving"] == {"anomaly": "new"}


async def test_an_alert_lasts_from_its_first_finding_until_it_is_over(log: PlantLog) -> None:
    scene = Scene(**ROUTED)
    scene.feed(tick(100), signalled(100, signal("f1", channel="temperature", at=T0 + 100 * SECOND)), tick(101))
    home = home_of("signals", PARTITIONS)
    await log.put(*scene.changes, partition=home)
    (found,) = await marks_of(log)
    assert told(found) == ("alert", 100, None, True)
    scene.feed(
        tick(160), signalled(160, over("f2", closes="f1", channel="temperature", at=T0 + 150 * SECOND)), tick(161)
    )
    await log.put(*scene.changes[1:], partition=home)
    (found,) = await marks_of(log)
    assert told(found) == ("alert", 100, 160, False)
    assert (found.text, found.link) == ("pump: f1 (resolved)", f"/alerts/{found.id}")
    assert await marks_of(log, channel="flow", since=0, until=9) == []


async def test_an_alert_of_old_readings_lasts_as_long_as_its_finding(log: PlantLog) -> None:
    first, late = anomaly(100), 90_000
    scene = Scene(**ROUTED)
    scene.feed(tick(late), signalled(late, signal(first.id, channel="temperature", at=first.time)), tick(late + 1))
    ended = over("f2", closes=first.id, channel="temperature", at=first.time)
    scene.feed(tick(late + 2), signalled(late + 2, ended), tick(late + 3))
    await log.put(*scene.changes, partition=home_of("signals", PARTITIONS))
    found = {each.kind: told(each) for each in await marks_of(log, first, cleared(first, 60))}
    assert found == {"alert": ("alert", 100, 160, False), "anomaly": ("anomaly", 100, 160, False)}


async def test_what_people_said_stands_with_the_finding(log: PlantLog) -> None:
    event = anomaly(100)
    label = {"alert": event.id, "bundle": "b", "verdict": "false alarm", "by": "ann", "note": "door"}
    await log.put(event, AlertLabelled.of(cause=event.id, time=1, asset="pump", **label))
    (found,) = await marks_of(log)
    assert found.verdict == "false alarm"
    assert found.text.endswith("ann said: false alarm door")
    again = label | {"verdict": "true alarm"}
    await log.put(AlertLabelled.of(cause=event.id, time=2, asset="pump", **again))
    assert (await log.ask(0, 999)).marks[0].verdict == "true alarm", "the last word counts"


async def test_of_a_storm_the_latest_are_told_and_the_rest_is_counted(
    log: PlantLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MOST", 5)
    await log.put(*(anomaly(second) for second in range(20)), drift(50))
    found = await log.ask(0, 999)
    assert [told(each)[1] for each in found.marks if each.kind == "anomaly"] == [15, 16, 17, 18, 19]
    assert found.left_out == {"anomaly": 15}


async def test_of_a_storm_that_is_too_large_to_hold_the_oldest_are_counted(
    log: PlantLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "HELD", 40)
    await log.put(*(anomaly(second) for second in range(100)))
    found = await log.ask(0, 999)
    kept = [told(each)[1] for each in found.marks]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) <= 41
    assert found.left_out == {"anomaly": 100 - len(kept)}
