"""What a training reads of the log, what operators said of alerts, and what is kept of a result."""

from pathlib import Path
from typing import Any

import pytest

from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from console.train import Asked
from console.training import verdicts
from console.training.reading import Past, newest
from contracts.errors import ConfigError, FileRefused, NotFound, Unavailable
from contracts.events import AlertLabelled, AnomalyCleared, AnomalyDetected, Event, Evidence, ReadingsAccepted
from contracts.frames import encode
from contracts.instants import SECOND
from contracts.readings import Readings
from models.training import Result, Training, key_of
from tests.unit.training.pasts import FOREVER, past, plan_of

ABOUT: dict[str, Any] = {
    "channel": "flow",
    "detector": "d",
    "bundle": "b",
    "feature_set": "f",
    "environment": "e",
    "evidence": Evidence(stream="readings.accepted", first=1, last=2),
}


async def put(bus: MemoryBus, place: Place, *events: Event | ReadingsAccepted) -> None:
    await bus.append(place, list(encode(list(events), "test")))


async def log_of(*parts: Readings, size: int = 300) -> MemoryBus:
    """A log with a part in each partition."""
    bus = MemoryBus(len(parts))
    for number, part in enumerate(parts):
        for batch in part.cut(size):
            await put(bus, Place("readings.accepted", number), ReadingsAccepted(batch))
    return bus


async def digest_of(bus: MemoryBus, since: int = 0, until: int = FOREVER) -> tuple[str, str]:
    training = Training("pumps", plan_of("ewma"), since, until)
    await Past(History(None, bus), since, until).train(training)
    return training.facts()["range_digest"], training.facts()["readings"]


async def test_the_digest_is_that_of_the_log_however_it_is_cut() -> None:
    one, other = await log_of(past(400), past(300, seed=8)), await log_of(past(400), past(300, seed=8), size=71)
    assert await digest_of(one) == await digest_of(other)
    assert (await digest_of(one))[1] == str(700 * 3)


async def test_what_comes_while_a_training_reads_does_not_count() -> None:
    bus = await log_of(past(400))
    training = Training("pumps", plan_of("ewma"), 0, FOREVER)
    reader = Past(History(None, bus), 0, FOREVER)
    before = await digest_of(bus)
    plain = reader._readings

    async def meanwhile(place: Place) -> Any:
        await put(bus, place, ReadingsAccepted(past(5, seed=9)))
        async for readings in plain(place):
            yield readings

    reader._readings = meanwhile  # type: ignore[method-assign]  # the log grows at every look
    await reader.train(training)
    assert (training.facts()["range_digest"], training.facts()["readings"]) == before


async def test_only_readings_of_the_time_that_is_asked_for_are_taken() -> None:
    assert (await digest_of(await log_of(past(400)), 100 * SECOND, 199 * SECOND))[1] == "300"


async def test_the_newest_reading_is_that_of_any_partition() -> None:
    assert await newest(await log_of(past(10), past(30), past(20))) == 29 * SECOND
    with pytest.raises(NotFound, match="no accepted reading"):
        await newest(MemoryBus(2))


def alert(time: int, asset: str = "pump-1") -> AnomalyDetected:
    return AnomalyDetected.of(
        cause=str(time), time=time, asset=asset, score=0.9, threshold=0.5, reason="r", value=1.0, **ABOUT
    )


def label(event: AnomalyDetected, verdict: str) -> AlertLabelled:
    about: dict[str, Any] = {"alert": event.id, "bundle": "b", "verdict": verdict, "by": "ann"}
    return AlertLabelled.of(cause=event.id, time=event.time, asset="ann", discriminator=verdict, **about)


async def test_the_last_word_on_an_alert_counts_and_its_stretch_lasts_until_it_was_cleared() -> None:
    bus = MemoryBus(2)
    first, second, unlabelled = alert(1000 * SECOND), alert(5000 * SECOND), alert(9000 * SECOND)
    cleared = AnomalyCleared.of(cause=first.id, time=1500 * SECOND, asset="pump-1", lasted=500 * SECOND, **ABOUT)
    await put(bus, Place("anomalies", 0), first, cleared, second, unlabelled)
    await put(bus, Place("labels", 1), label(first, "false alarm"), label(second, "false alarm"))
    await put(bus, Place("labels", 1), label(first, "true alarm"))
    known = (await verdicts.of_log(History(None, bus))).series["pump-1/flow"]
    assert known.true == [(940 * SECOND, 1560 * SECOND)]
    assert known.false == [(4940 * SECOND, 5060 * SECOND)]
    assert not known.whole


async def test_a_file_counts_before_what_was_said(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await put(bus, Place("anomalies", 0), alert(1000 * SECOND))
    await put(bus, Place("labels", 0), label(alert(1000 * SECOND), "true alarm"))
    path = tmp_path / "labels.json"
    path.write_text('{"pump-1/flow": []}')
    merged = verdicts.of_file(path).merged(await verdicts.of_log(History(None, bus)))
    assert merged.series["pump-1/flow"].true == []
    path.write_text("not JSON")
    with pytest.raises(FileRefused, match=r"labels\.json"):
        verdicts.of_file(path)


def test_a_key_names_everything_that_a_training_depends_on() -> None:
    keys = {
        key_of("a", {"seed": 1}, 0, 1, "r"),
        key_of("b", {"seed": 1}, 0, 1, "r"),
        key_of("a", {"seed": 2}, 0, 1, "r"),
        key_of("a", {"seed": 1}, 1, 1, "r"),
        key_of("a", {"seed": 1}, 0, 2, "r"),
        key_of("a", {"seed": 1}, 0, 1, "s"),
    }
    assert len(keys) == 6


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "abc.json").write_text('{"key": "abc"')
    with pytest.raises(Unavailable, match=r"abc\.json cannot be read"):
        Result.kept(tmp_path)
    assert Result.kept(tmp_path, "other") == []


def test_a_request_takes_the_plan_as_it_is() -> None:
    about: dict[str, Any] = dict.fromkeys(("since", "until", "features", "labels", "series"))
    asked = Asked(plan="p", publish=True, ask=True, request="", resume=False, detectors=("ewma",), **about)
    with pytest.raises(ConfigError, match="as it is configured"):
        asked.check()
