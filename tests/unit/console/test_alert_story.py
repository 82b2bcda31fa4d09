"""Everything about one alert, read from the log: its life, its messages, its readings, and what was like it."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.notification.alerts.alert import Alert
from bus.history import History
from bus.memory import MemoryBus
from bus.news import News
from bus.protocol import Place
from console.acting.actor import Actor
from console.alerting import labelling
from console.alerting.findings import latest
from console.alerting.session import Session
from console.alerting.story import story
from console.options import Loaded
from contracts.errors import NotFound
from contracts.events import (
    AlertLabelled,
    AnyEvent,
    Evidence,
    NotificationFailed,
    NotificationSent,
    ReadingsAccepted,
)
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.instants import SECOND, iso
from contracts.readings import Readings, Series
from contracts.settings import AgentSettings, ArchiveSettings, Settings
from contracts.yamlfile import YamlFile
from tests.unit.notification.alerts.sequence import Scene, ack, over, signal, signalled, tick
from tests.unit.notification.made import T0, anomaly

ROUTED = {"route": {"receiver": "ann", "group_wait": "0s"}, "subscribers": {"ann": {"kind": "console"}}}
READINGS = 300


async def put(bus: MemoryBus, number: int, *events: AnyEvent) -> None:
    for event in events:
        await bus.append(Place(event.stream, number), list(encode([event], "test")))


async def told(bus: MemoryBus, scene: Scene) -> None:
    """What the processor of alerts said stands in the log."""
    await put(bus, home_of("signals", bus.partitions), *scene.changes, *scene.told)


def troubled() -> Scene:
    """Twice the same trouble, the first acknowledged and over; then one of another machine."""
    scene = Scene(**ROUTED, reopen_within="1s")
    scene.feed(tick(0), signalled(0, signal("f1")), tick(1))
    scene.feed(ack(scene, 30), tick(60), signalled(60, over("f2", closes="f1")), tick(61))
    scene.feed(tick(500), signalled(500, signal("f3")), tick(501), signalled(501, signal("f4", asset="fan")), tick(502))
    scene.feed(tick(900))
    return scene


def alert_of(scene: Scene, finding: str) -> Alert:
    (found,) = [one for one in map(scene.state.alert, scene.state.alerts) if one.finding == finding]
    return found


async def test_a_life_is_told_in_order_with_its_messages_and_what_became_of_them() -> None:
    bus, scene = MemoryBus(2), troubled()
    await told(bus, scene)
    first = next(message for message in scene.told if message.finding == "f1")
    mine = [message for message in scene.told if any(note.finding == "f1" for note in message.alerts)]
    failed: dict[str, Any] = {"subscriber": "ann", "key": first.key, "attempt": 3, "error": "503"}
    sent: dict[str, Any] = {"subscriber": "ann", "key": first.key, "attempt": 1}
    home = home_of("signals", 2)
    found = (await story(bus, alert_of(scene, "f1")))["timeline"]
    assert [each["what"] for each in found] == ["opened", "told ann", "acknowledged", "resolved", "told ann"]
    assert [each["detail"] for each in found[1:3]] == ["new: on its way", "by ann"]
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)
    assert len(mine) == 2
    assert len(scene.told) > 2, "those of other alerts are not among them"

    await put(bus, home, NotificationFailed.of(cause="x", time=T0 + 70 * SECOND, asset="ann", **failed))
    assert (await story(bus, alert_of(scene, "f1")))["timeline"][1]["detail"] == "new: given up: 503"
    await put(bus, home, NotificationSent.of(cause="y", time=T0 + 80 * SECOND, asset="ann", **sent))
    again = (await story(bus, alert_of(scene, "f1")))["timeline"][1]["detail"]
    assert again == f"new: delivered {iso(T0 + 80 * SECOND)}", "the last word counts, after a redelivery"


async def test_only_earlier_ones_are_like_it_and_those_of_other_machines_are_not() -> None:
    bus, scene = MemoryBus(2), troubled()
    await told(bus, scene)
    label = {"alert": "f1", "bundle": "b", "verdict": "false alarm", "by": "ann", "note": "door"}
    await put(bus, 1, AlertLabelled.of(cause="f1", time=1, asset="pump", **label))
    (before,) = (await story(bus, alert_of(scene, "f3")))["similar"]
    assert before["alert"] == alert_of(scene, "f1").id
    assert (before["lasted_s"], before["verdict"], before["note"]) == (60.0, "false alarm", "door")
    assert (await story(bus, alert_of(scene, "f1")))["similar"] == [], "what came later is not"
    assert (await story(bus, alert_of(scene, "f4")))["similar"] == []


async def test_one_that_came_back_has_not_ended() -> None:
    bus, scene = MemoryBus(1), Scene(**ROUTED)
    scene.feed(tick(0), signalled(0, signal("f1")), tick(60), signalled(60, over("f2", closes="f1")), tick(70))
    scene.feed(signalled(70, signal("f3")), tick(80), signalled(80, signal("f9", key="other")), tick(81))
    assert [change.change for change in scene.changes] == ["opened", "resolved", "reopened", "opened"]
    await told(bus, scene)
    (before,) = (await story(bus, alert_of(scene, "f9")))["similar"]
    assert before["lasted_s"] is None


# ---------------------------------------------------------------- the curve


async def curve(values: Any, *, at: int = 200, **body: Any) -> dict[str, Any] | None:
    """The curve of an alert on the ``at``-th of some readings, among those of another channel."""
    bus = MemoryBus(4)
    number = partition_of("pump", 4)
    evidence = Evidence(stream="readings.accepted", first=1, last=2 * at)
    finding = anomaly(at, evidence=evidence, **body)
    series = [Series("s", "pump", "temperature"), Series("s", "pump", "flow")]
    for begin in range(0, len(values), 100):
        rows = np.arange(begin, min(begin + 100, len(values)))
        time = np.repeat(T0 + rows * SECOND, 2)
        value = np.ravel(np.column_stack((np.asarray(values)[rows], -np.ones(len(rows)))))
        code = np.tile([0, 1], len(rows))
        batch = Readings.of(series, code, time, value, np.repeat(rows, 2))
        await put(bus, number, ReadingsAccepted(batch))
    await put(bus, number, finding)
    scene = Scene(**ROUTED)
    scene.feed(tick(0), signalled(0, signal(finding.id, at=finding.time, channel=finding.channel)), tick(1))
    found: dict[str, Any] | None = (await story(bus, alert_of(scene, finding.id)))["curve"]
    return found


async def test_a_curve_is_of_its_series_in_order_with_its_extremes() -> None:
    values = np.sin(np.arange(READINGS))
    values[200] = 99.0
    found = await curve(values)
    assert found is not None
    assert found["series"] == "pump/temperature"
    assert found["at"] == iso(T0 + 200 * SECOND)
    times = [time for time, _ in found["points"]]
    assert times == sorted(times)
    assert len(times) <= 200
    assert max(value for _, value in found["points"]) == 99.0
    assert min(value for _, value in found["points"]) == values.min(), "none of the other channel, which is lower"


async def test_a_finding_about_a_machine_shows_the_channel_with_the_largest_share() -> None:
    found = await curve(np.zeros(READINGS), channel="", contributions={"temperature": 0.2, "flow": 0.8})
    assert found is not None
    assert found["series"] == "pump/flow"
    assert {value for _, value in found["points"]} == {-1.0}


async def test_where_readings_are_gone_there_is_no_curve() -> None:
    assert await curve(np.zeros(0)) is None


# ---------------------------------------------------------------- findings and labels


async def test_findings_are_listed_newest_first_by_severity_and_label() -> None:
    bus = MemoryBus(2)
    found = [anomaly(second, severity="critical" if second % 2 else "warning") for second in range(6)]
    for number, event in enumerate(found):
        await put(bus, number % 2, event)
    label = {"alert": found[1].id, "bundle": "b", "verdict": "true alarm", "by": "ann"}
    await put(bus, 0, AlertLabelled.of(cause=found[1].id, time=1, asset="pump", **label))

    async def ids(most: int, **wanted: Any) -> list[str]:
        return [row["id"] for row in await latest(bus, most, **{"labelled": False, **wanted})]

    assert await ids(3) == [event.id for event in found[:2:-1]]
    assert await ids(9, least="critical") == [found[5].id, found[3].id, found[1].id]
    assert await ids(1, labelled=True) == [found[1].id]


async def session(bus: MemoryBus, folder: Path) -> Session:
    """Ann, where the alerts of some findings are followed."""
    settings = Settings.model_validate(
        {"data_dir": folder, "archive": ArchiveSettings(enabled=False), "alerting": ROUTED,
         "agents": {"notification": AgentSettings()}}
    )  # fmt: skip
    signals = [signal(f"f{number}", key=f"k{number}") for number in range(750)]
    await put(bus, 0, tick(0), *[signalled(1, *signals[first : first + 250]) for first in (0, 250, 500)])
    return Session(Actor(bus, settings, "ann"), History(None, bus), Loaded(settings, YamlFile(folder / "x.yaml", {})))


async def labels(bus: MemoryBus) -> list[tuple[str, str]]:
    return [(e.alert, e.by) for e in await News([AlertLabelled]).read(bus) if isinstance(e, AlertLabelled)]


async def test_a_label_of_an_alert_goes_to_its_first_finding(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    here = await session(bus, tmp_path)
    name, finding = next((one.id, one.finding) for one in map((await here.state()).alert, (await here.state()).alerts))
    await labelling._labelled(here, name, "true alarm", "bearing")
    assert await labels(bus) == [(finding, "ann")]


async def test_a_label_goes_to_none_where_two_may_be_meant(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    here = await session(bus, tmp_path)
    beginnings = Counter(name[:4] for name in (await here.state()).alerts)
    ((several, count),) = beginnings.most_common(1)
    assert count > 1, "of 750 ids some begin alike"
    # A finding has such an id, too.
    await put(bus, 0, anomaly(1).model_copy(update={"id": several + "0" * 28}))
    with pytest.raises(NotFound, match=f"alerts have an id that begins with '{several}'"):
        await labelling._labelled(here, several, "true alarm", "")
    assert await labels(bus) == []
