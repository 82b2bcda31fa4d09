"""What a report on drift says of a log, and that its page is safe to look at."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.runtime.home import outputs
from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from console.curves.envelope import STEPS, Envelope
from console.drifts import report_gathering
from console.drifts.report_content import content
from console.drifts.report_gathering import Gathering
from console.drifts.report_page import page
from console.past.scope import Scope
from contracts.events import (
    AnyEvent,
    DataQualityIncident,
    DriftDetected,
    DriftReferenced,
    Evidence,
    ModelPromoted,
    ReadingsAccepted,
    ReadingsRejected,
)
from contracts.identity import partition_of
from contracts.instants import SECOND
from contracts.readings import Readings, Series, Verdict
from models.drift.words import F64

EVIL = '<img src=x onerror="alert(1)">'
MINUTE = 60 * SECOND
START = 1_700_000_000 * SECOND
REFERENCE, CHANGE, N = 500, 2000, 3000


def readings(asset: str, channel: str, values: F64, first: int = 0) -> Readings:
    n = len(values)
    at = np.arange(first, first + n)
    return Readings.of([Series("s", asset, channel)], np.zeros(n, np.int32), START + at * MINUTE, values, at + 1)


def drifted(asset: str, channel: str, at: int, since: int, **more: Any) -> DriftDetected:
    return DriftDetected.of(
        cause="c", time=START + at * MINUTE, asset=asset, channel=channel, detector="sequential", bundle="",
        feature_set="f", environment="e", evidence=Evidence(stream="readings.accepted", first=1, last=9),
        kind="mean", direction="up", effect=2.0, effect_low=1.8, effect_high=2.2, unit="sd",
        since=START + since * MINUTE, evidence_value=3.0, reference="r", **more,
    )  # fmt: skip


class Story:
    """A log in memory; one asset changes by two standard deviations, another does not."""

    def __init__(self) -> None:
        self.bus = MemoryBus(4)

    async def add(self, asset: str, *events: AnyEvent) -> None:
        for stream, frame in outputs(list(events), "test"):
            await self.bus.append(Place(stream, partition_of(asset, self.bus.partitions)), [frame])

    async def told(self) -> "Story":
        rng = np.random.default_rng(3)
        moved = rng.normal(10, 2, N)
        moved[CHANGE:] += 4
        for asset, values in ((EVIL, moved), ("calm", rng.normal(5, 1, N))):
            for cut in range(0, N, 600):
                await self.add(asset, ReadingsAccepted(readings(asset, "t", values[cut : cut + 600], cut)))
        refused = readings("calm", "t", np.full(60, np.nan), N)
        await self.add("calm", ReadingsRejected(refused.marked(np.full(60, Verdict.MISSING, np.uint8))))
        await self.add(EVIL, drifted(EVIL, "t", CHANGE + 20, CHANGE))
        incident = DataQualityIncident.of(
            cause="i", time=START + 100 * MINUTE, asset=EVIL, channel="t", kind="stuck", state="open",
            detail="</td><script>alert(2)</script>", since=START,
        )  # fmt: skip
        promoted = ModelPromoted.of(
            cause="m", time=START + 50 * MINUTE, asset="m", name="<b>", alias="champion", model_version="2", bundle="b"
        )
        await self.add(EVIL, incident)
        await self.add("m", promoted)
        return self

    async def report(self, scope: Scope | None = None, history: History | None = None) -> dict[str, Any]:
        history = history or History(None, self.bus)
        return content(await Gathering(history, scope or Scope(), REFERENCE).gather())


@pytest.fixture
async def story() -> Story:
    return await Story().told()


async def test_what_drifted_comes_first_with_its_size_and_begin(story: Story) -> None:
    found = await story.report()
    assert [row["series"] for row in found["series"]] == [f"{EVIL}/t", "calm/t"]
    moved, calm = found["series"]
    assert moved["shift"]["low"] < 2 < moved["shift"]["high"]
    assert moved["p"] < 1e-6
    assert moved["distance"] > 0.6
    assert moved["began"] == "2023-11-16T07:33:20Z"
    assert calm["shift"]["low"] < 0 < calm["shift"]["high"]
    assert calm["rejected_share"] == pytest.approx(60 / (N + 60))
    assert (calm["rejected"], moved["rejected"]) == ({"missing": 60}, {})
    assert "Rejected: missing 60." in Tags(page(found)).text
    assert (moved["readings"], calm["readings"]) == (N, N)
    assert json.loads(json.dumps(found)) == found


async def test_the_present_is_what_follows_the_change_and_the_reference_what_came_first(story: Story) -> None:
    moved = (await story.report())["series"][0]["quantiles"]
    assert moved["reference"][50] == pytest.approx(10, abs=0.4)
    assert moved["present"][50] == pytest.approx(14, abs=0.4)


async def test_a_range_and_one_series_alone_keep_the_reference(story: Story) -> None:
    """What is older than the range is still what it is compared with."""
    scope = Scope(START + 2500 * MINUTE, START + 2999 * MINUTE).of_series(f"{EVIL}/t")
    found = await story.report(scope)
    (row,) = found["series"]
    assert row["readings"] == 500
    assert row["findings"] == []
    assert row["quantiles"]["reference"][50] == pytest.approx(10, abs=0.4)
    assert row["shift"]["low"] < 2 < row["shift"]["high"]


async def test_a_reference_that_the_log_names_is_the_one(story: Story) -> None:
    """Learnt anew from the changed readings on: nothing has drifted from that."""
    referenced = DriftReferenced.of(
        cause="r", time=START + 2400 * MINUTE, asset=EVIL, channel="t", agent="drift", reference="r2",
        origin="own past", begin=START + CHANGE * MINUTE, end=START + 2500 * MINUTE, first=CHANGE + 1, by="me",
    )  # fmt: skip
    await story.add(EVIL, referenced)
    (row,) = (await story.report(Scope(START + 2500 * MINUTE).of_series(f"{EVIL}/t")))["series"]
    assert row["quantiles"]["reference"][50] == pytest.approx(14, abs=0.4)
    assert row["shift"]["low"] < 0 < row["shift"]["high"]


async def test_archive_and_log_are_read_as_one(story: Story, tmp_path: Path) -> None:
    whole = await story.report()
    archive = Archive(tmp_path / "archive", "log", story.bus.partitions)
    for partition in range(story.bus.partitions):
        place = Place(ReadingsAccepted.stream, partition)
        ends = (await story.bus.ends([place]))[place]
        if ends:
            await archive.add(place, (await story.bus.range(place, 1, ends, count=99))[:3])
            await story.bus.trim(place, 1500)
    assert await story.report(history=History(archive, story.bus)) == whole


class Tags(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_names_are_text_and_nothing_comes_from_elsewhere(story: Story) -> None:
    """An asset, a detail and a model whose names are markup; no script, no image, no address."""
    found = page(await story.report())
    tags = Tags(found)
    names = {tag for tag, _ in tags.tags}
    assert not names & {"script", "img", "iframe", "object", "link", "foreignobject"}
    assert all(
        value.startswith("#")
        for _, attrs in tags.tags
        for key, value in attrs.items()
        if key in {"href", "src"} and value
    )
    assert not [key for _, attrs in tags.tags for key in attrs if key.startswith("on")]
    assert EVIL in tags.text
    assert "<script>alert(2)</script>" in tags.text
    assert "http" not in found.replace("http-equiv", "")


async def test_why_and_what_it_is_part_of_is_said_and_no_way_where_there_is_none(story: Story) -> None:
    common = {"observed": "new", "detail": "'2' was 0.0% of the readings", "part_of": "0123456789abcdef"}
    await story.add("calm", drifted("calm", "t", 2_500, 2_400, **common).model_copy(update={"direction": "none"}))
    found = await story.report()
    text = Tags(page(found)).text
    assert "mean, 2 (1.8 to 2.2) sd" in text
    assert "mean none" not in text
    assert "seen as new; '2' was 0.0% of the readings; part of 0123456789ab. " in text
    assert any("'2' was 0.0%" in each["what"] for each in found["timeline"])


async def test_without_escaping_the_test_would_fail(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant."""
    monkeypatch.setattr("console.drifts.report_page.escape", str)
    assert {"script", "img"} & {tag for tag, _ in Tags(page(await story.report())).tags}


async def test_the_page_draws_curve_distributions_and_marks(story: Story) -> None:
    found = page(await story.report())
    classes = [attrs.get("class") for tag, attrs in Tags(found).tags if tag in {"polygon", "polyline", "line"}]
    for kind in ("curve", "reference", "present", "began", "found", "fault", "model"):
        assert kind in classes
    assert "prefers-color-scheme:dark" in found
    assert 'name="viewport"' in found


async def test_an_empty_log_and_a_series_without_values_have_a_page() -> None:
    story = Story()
    assert "Nothing happened" in page(await story.report())
    await story.add("new", ReadingsAccepted(readings("new", "t", np.ones(3))))
    (row,) = (await story.report())["series"]
    assert row["shift"] is None
    assert "new/t" in page(await story.report())


async def test_series_beyond_the_bound_are_counted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_gathering, "MOST_SERIES", 1)
    found = await story.report()
    assert [row["series"] for row in found["series"]] == [f"{EVIL}/t"]
    assert found["series_left_out"] == 1
    assert "1 series are left out" in page(found)


def test_a_curve_keeps_every_extreme_in_bounded_memory() -> None:
    curve, values = Envelope(-(2**62), 2**62), np.sin(np.arange(50_000) / 900)
    values[31_111] = 9.0
    for cut in range(0, 50_000, 777):
        part = values[cut : cut + 777]
        curve.add(START + (cut + np.arange(len(part))) * MINUTE, part)
    times, low, high = curve.bands()
    assert len(times) <= STEPS
    assert abs(times[int(high.argmax())] - START - 31_111 * MINUTE) <= curve.step
    assert (high.max(), low.min()) == (9.0, values.min())
