"""What a report on an incident says of a log, and that names in it stay names."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.saved import Saved
from console.alerting.story import story
from console.incidents import causes, gathering, printed, traces
from console.incidents.content import content
from console.incidents.gathering import Gathering
from console.incidents.markdown import markdown, safe
from console.incidents.page import page
from console.incidents.sections import Block, blocks
from console.incidents.subject import Subject, subject
from console.options import Choices
from console.past.record import Record
from contracts.errors import NotFound
from contracts.events import (
    AgentStarted,
    AnomalyDetected,
    AnyEvent,
    DataQualityIncident,
    DriftDetected,
    Evidence,
    ModelServed,
    NotificationDue,
    NotificationSent,
    ReadingsAccepted,
    ReadingsRejected,
)
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.instants import SECOND, iso
from contracts.readings import Readings, Series, Verdict
from tests.unit.notification.alerts.sequence import Scene, ack, over, signal, signalled, tick
from tests.unit.notification.made import T0, anomaly, cleared, drift

ROUTED = {
    "route": {"receiver": "ann", "group_wait": "0s", "group_interval": "1s"},
    "subscribers": {"ann": {"kind": "console"}},
}
EVIL = "<img src=x onerror=alert(1)>|`x` **b** [l](javascript:alert(1)) http://evil.example \x1b[31mred\n# head"
BEGAN = 1_000
PARTITIONS = 2


class Log:
    """A log in memory with an hour of readings of ``pump``, each second, and a finding among them."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.folder = MemoryBus(PARTITIONS), folder
        self.finding = anomaly(BEGAN, evidence=Evidence(stream="readings.accepted", first=900, last=1000))

    async def put(self, *events: AnyEvent, asset: str = "pump", partition: int | None = None) -> None:
        number = partition_of(asset, PARTITIONS) if partition is None else partition
        for event in events:
            await self.bus.append(Place(event.stream, number), list(encode([event], "test")))

    async def read(self, first: int = 0, last: int = 2_000, asset: str = "pump", source: str = "s") -> None:
        for begin in range(first, last, 100):
            await self.put(ReadingsAccepted(readings(begin, begin + 100, asset, source)), asset=asset)

    async def begin(self) -> "Log":
        await self.read()
        await self.put(self.finding)
        return self

    @property
    def record(self) -> Record:
        return Record(History(None, self.bus), Saved(None, self.bus), "log")

    async def subject(self, text: str = "") -> Subject:
        return await subject(self.record, Choices(data_dir=self.folder).load(), text or self.finding.id)

    async def report(self, text: str = "") -> dict[str, Any]:
        about = await self.subject(text)
        around = await Gathering(self.record.history, about).gather()
        alert = about.alert()
        told = await story(self.bus, alert) if alert else {}
        return content(about, around, story=told, lineage=None, missing={}, bundle=None)

    async def verdict(self, cause: str) -> tuple[str, list[str]]:
        found = next(each for each in (await self.report())["candidates"] if cause in each["cause"])
        return found["verdict"], found["evidence"]


def readings(first: int, last: int, asset: str = "pump", source: str = "s") -> Readings:
    at = np.arange(first, last)
    series = [Series(source, asset, "temperature")]
    return Readings.of(series, np.zeros(len(at), np.int32), T0 + at * SECOND, np.sin(at), at)


def trouble(kind: str, second: int, channel: str = "temperature", **body: Any) -> DataQualityIncident:
    time = T0 + second * SECOND
    data = {"kind": kind, "state": "open", "detail": "so it is", "since": time, **body}
    return DataQualityIncident.of(cause=f"{kind} {second}", time=time, asset="pump", channel=channel, **data)


@pytest.fixture
async def log(tmp_path: Path) -> Log:
    return await Log(tmp_path).begin()


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


# ---------------------------------------------------------------- candidates


async def test_where_nothing_else_is_known_the_machine_stays(log: Log) -> None:
    rows = (await log.report())["candidates"]
    assert (rows[0]["cause"], rows[0]["verdict"]) == ("the machine itself", "not excluded")
    assert {row["verdict"] for row in rows[1:]} == {"nothing found", "not known"}
    assert all(row["rule"] for row in rows)
    order = [causes.VERDICTS.index(row["verdict"]) for row in rows]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("second", "channel", "expected"),
    [
        (BEGAN - 300, "temperature", "likely"),
        (BEGAN - 300, "flow", "possible"),
        (BEGAN - 900, "temperature", "possible"),
        (BEGAN + 900, "temperature", "nothing found"),
    ],
)
async def test_bad_data_is_a_cause_by_how_near_it_is(log: Log, second: int, channel: str, expected: str) -> None:
    await log.put(cleared(log.finding, 1_000), trouble("gap", second, channel), trouble("stuck", second, channel))
    for cause in ("gap", "faulty sensor"):
        verdict, evidence = await log.verdict(cause)
        assert verdict == expected, cause
        assert bool(evidence) == (expected != "nothing found")


async def test_a_gap_that_closes_is_no_second_one_and_another_machines_is_none(log: Log) -> None:
    other = DataQualityIncident.of(
        cause="o", time=T0 + 990 * SECOND, asset="fan", kind="gap", state="open", detail="d", since=T0 + 990 * SECOND
    )
    await log.put(trouble("gap", BEGAN - 5, state="closed"), other)
    assert await log.verdict("gap") == ("nothing found", [])


@pytest.mark.parametrize(("at", "expected"), [(900, "likely"), (300, "possible"), (1_200, "nothing found")])
async def test_another_model_counts_by_where_it_stands_among_the_readings(
    tmp_path: Path, at: int, expected: str
) -> None:
    log = Log(tmp_path)
    await log.read(0, at)
    # Its wall clock says nothing: old readings may be read today.
    await log.put(ModelServed.of(cause="m", time=T0 * 2, asset="anomaly", agent="anomaly", bundle="c" * 64))
    await log.read(at, 2_000)
    await log.put(log.finding)
    verdict, _ = await log.verdict("another model")
    assert verdict == expected


async def test_drift_of_the_machine_that_began_before(log: Log) -> None:
    await log.put(drift(BEGAN + 100, since=T0 + 500 * SECOND))
    assert (await log.verdict("slow change"))[0] == "likely"
    assert (await log.verdict("faulty sensor"))[0] == "nothing found"
    await log.put(drift(BEGAN + 101, kind="stuck", direction="none", since=T0 + 900 * SECOND))
    assert (await log.verdict("faulty sensor"))[0] == "likely"


@pytest.mark.parametrize(("source", "expected"), [("s", "likely"), ("other", "possible")])
async def test_neighbours_of_the_same_source_say_more(log: Log, source: str, expected: str) -> None:
    await log.read(asset="fan", source=source)
    await log.put(anomaly(BEGAN + 60, asset="fan"), asset="fan")
    verdict, (evidence,) = await log.verdict("several machines")
    assert verdict == expected
    assert "fan" in evidence


async def test_a_restart_before_is_possible_and_one_after_is_not(log: Log) -> None:
    assert (await log.verdict("restart"))[0] == "not known"
    for second, expected in ((BEGAN + 100, "nothing found"), (BEGAN - 100, "possible")):
        time = T0 + second * SECOND
        await log.put(AgentStarted.of(cause=f"{second}", time=time, asset="anomaly", agent="anomaly", owner="o"))
        assert (await log.verdict("restart"))[0] == expected


async def test_late_readings_count_from_a_share_on_and_rejected_ones_are_told(log: Log) -> None:
    few = readings(0, 10).marked(np.full(10, Verdict.LATE, np.uint8))
    await log.put(ReadingsRejected(few))
    assert (await log.verdict("come late"))[0] == "nothing found"
    many = readings(500, 600).marked(np.full(100, Verdict.DUPLICATE, np.uint8))
    await log.put(ReadingsRejected(many))
    assert (await log.verdict("come late"))[0] == "possible"
    assert (await log.report())["impact"]["rejected"] == {"duplicate": 100, "late": 10}


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
    assert curve["times"][0][:19] == iso(T0 + 950 * SECOND)[:19]
    assert curve["times"][-1][:19] == iso(T0 + 1_000 * SECOND)[:19]
    assert max(curve["high"]) == pytest.approx(np.sin(np.r_[950:960, 980:1_001]).max())
    assert len(curve["times"]) == 31


def test_a_trace_of_very_many_readings_is_the_same_curve_within_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_MOST", 500)
    trace = traces.Trace((0, 1_000_000))
    for begin in range(0, 1_000_000, 10_000):
        at = np.arange(begin, begin + 10_000, 10)
        trace.add(at, np.sin(at / 1e5))
    assert trace._parts == []
    times, low, high = trace.points()
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


# ---------------------------------------------------------------- names from outside


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.said += data


async def evil_blocks(folder: Path) -> list[Block]:
    log = Log(folder)
    log.finding = anomaly(
        BEGAN, asset=EVIL, channel=EVIL, reason=EVIL, evidence=Evidence(stream="readings.accepted", first=1, last=9)
    )
    at = np.arange(500, 1_500)
    rows = Readings.of([Series(EVIL, EVIL, EVIL)], np.zeros(1_000, np.int32), T0 + at * SECOND, np.sin(at), at)
    await log.put(ReadingsAccepted(rows), log.finding, asset=EVIL)
    served = ModelServed.of(cause="m", time=T0, asset=EVIL, agent=EVIL, bundle=EVIL)
    await log.put(served, asset=EVIL)
    await log.put(trouble("gap", 950, detail=EVIL), asset=EVIL)
    return list(blocks(await log.report(), [f"tocsin replay '{EVIL}'"]))


async def test_the_page_runs_and_fetches_nothing_whatever_names_there_are(tmp_path: Path) -> None:
    html = page(await evil_blocks(tmp_path))
    found = Page(html)
    assert not {"script", "img", "a", "iframe", "object", "link"} & set(found.tags)
    assert not any(name.startswith("on") or name in ("src", "href") for name in found.attributes)
    assert "onerror=alert(1)" in found.said, "it is text"
    assert "default-src 'none'" in html
    assert "prefers-color-scheme:dark" in html
    assert "<polygon" in html
    assert all(char.isprintable() or char == "\n" for char in html)


async def test_markdown_keeps_names_in_their_cells_and_lines(tmp_path: Path) -> None:
    text = markdown(await evil_blocks(tmp_path))
    assert all(char.isprintable() or char == "\n" for char in text)
    outside = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert "<" not in outside
    assert not re.search(r"(?<!\\)[`\[]|(?<!\\)\*\*|[^\\]://", outside)
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1
    width = 0
    for line in outside.splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line))
        assert line.startswith("|") or not bars
        assert not width or not bars or bars == width, line
        width = bars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("<img onerror>", "&lt;img onerror&gt;"),
        ("\x1b[31m", r"\\x1b\[31m"),
        ("two\nlines", r"two\\nlines"),
        ("a&lt;b", "a&amp;lt;b"),
        ("https://x www.y", r"https\://x www\.y"),
        ("\u202eabc", r"\\u202eabc"),
    ],
)
def test_markdown_shows_a_text_as_it_is(text: str, expected: str) -> None:
    assert safe(text) == expected


def test_a_paragraph_from_outside_begins_nothing_else() -> None:
    found = markdown([Block("text", ("- a", "1. b", "    code", "+ c", "=== d"))])
    assert found.splitlines()[::2] == [r"\- a", r"1\. b", "code", r"\+ c", r"\=== d"]


@pytest.mark.skipif(not printed.installed(), reason="the extra pdf is not installed")
async def test_paper_is_printed_and_fetches_nothing(tmp_path: Path) -> None:
    assert printed.printed(page(await evil_blocks(tmp_path))).startswith(b"%PDF-")


def test_findings_are_found_by_all_kinds_that_alerts_are_made_of() -> None:
    assert {AnomalyDetected.stream, DriftDetected.stream} & gathering._LEFT_ALONE == set()
