"""The metered bus counts what passes through, and changes nothing of it."""

from collections.abc import Iterator

import pytest

from agents.telemetry import Metrics, Telemetry, metered
from agents.telemetry.metered import label
from bus.memory import MemoryBus
from bus.protocol import Bus, Commit, Place, Snapshot
from contracts.errors import Fenced, PositionMoved, Unavailable
from contracts.events import ReadingsAccepted, ReadingsAcquired
from contracts.frames import encode
from tests.unit.runtime.counting import Counter, Fragile, feed, home, plant, process

INPUT = ReadingsAcquired.stream
TASK = f"counter<{INPUT}"


class Ticks:
    """A clock that goes on by a second at each look."""

    def __init__(self) -> None:
        self.seconds: Iterator[int] = iter(range(10**6))

    def __call__(self) -> float:
        return float(next(self.seconds))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def bus(metrics: Metrics) -> Bus:
    return metered(MemoryBus(1), Telemetry(metrics, clock=Ticks()))


def commit(expected: str, position: str, count: int = 3, token: int = 1) -> Commit:
    frames = [("readings.accepted", frame) for frame in encode([ReadingsAccepted(plant(count))], TASK)]
    return Commit(0, TASK, token, expected, position, frames)


async def test_a_commit_is_counted_with_what_it_read_and_wrote(bus: Bus, metrics: Metrics) -> None:
    await bus.commit(commit("", "20"))
    await bus.commit(commit("20", "25", count=2))
    assert metrics.series["tocsin_events_read"] == {(TASK,): [25.0]}
    assert metrics.series["tocsin_events_written"] == {(TASK, "ReadingsAccepted"): [5.0]}
    *counts, total = metrics.series["tocsin_commit_seconds"][TASK,]
    assert (sum(counts), total) == (2.0, 2.0)


async def test_refusals_are_counted_by_reason_and_are_no_commits(bus: Bus, metrics: Metrics) -> None:
    await bus.commit(commit("", "5", token=2))
    with pytest.raises(Fenced):
        await bus.commit(commit("5", "6"))
    with pytest.raises(PositionMoved):
        await bus.commit(commit("4", "7", token=2))
    with pytest.raises(Fenced):
        await bus.save(0, TASK, 1, Snapshot("5", b""))
    with pytest.raises(Fenced):
        await bus.fence(0, TASK, 1)
    assert metrics.series["tocsin_refusals"] == {(TASK, "fenced"): [3.0], (TASK, "moved"): [1.0]}
    assert sum(metrics.series["tocsin_commit_seconds"][TASK,][:-1]) == 1.0
    assert metrics.series["tocsin_events_read"] == {(TASK,): [5.0]}


async def test_a_server_that_does_not_answer_is_counted_and_its_error_goes_on(metrics: Metrics) -> None:
    broken = Fragile(MemoryBus(1), lambda verb, number: "after")
    bus = metered(broken, Telemetry(metrics))
    with pytest.raises(Unavailable):
        await bus.commit(commit("", "5"))
    assert metrics.series == {"tocsin_unavailable": {("commit",): [1.0]}}


async def test_snapshots_and_appended_events_are_counted(bus: Bus, metrics: Metrics) -> None:
    await bus.save(0, TASK, 1, Snapshot("5", b"x" * 100))
    assert metrics.series["tocsin_snapshot_bytes"] == {(TASK,): [100.0]}
    assert sum(metrics.series["tocsin_snapshot_seconds"][TASK,][:-1]) == 1.0
    await bus.append(Place("x", 0), list(encode([ReadingsAccepted(plant(4))], "publisher:host/1/abc")))
    assert metrics.series["tocsin_events_written"] == {("publisher", "ReadingsAccepted"): [4.0]}


async def test_everything_else_goes_straight_through(bus: Bus) -> None:
    await bus.commit(commit("", "5"))
    assert bus.partitions == 1
    assert await bus.position(0, TASK) == "5"
    assert await bus.ends([Place("readings.accepted", 0)]) == {Place("readings.accepted", 0): 3}


async def test_a_processor_on_a_metered_bus_is_counted_once_per_event(metrics: Metrics) -> None:
    inner = MemoryBus(4)
    await feed(inner, plant(300), 50)
    await process(home(metered(inner, Telemetry(metrics))), Counter())
    assert metrics.series["tocsin_events_read"] == {(TASK,): [300.0]}
    assert metrics.series["tocsin_events_written"][TASK, "DataQualityIncident"] == [60.0]


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        (TASK, TASK),
        ("source:plant", "source:plant"),
        ("source:plant/resume", "source:plant/resume"),
        ("publisher:host/17/ab12", "publisher"),
        ("import:5f2e", "import"),
    ],
)
def test_names_that_are_new_in_every_process_are_no_labels(task: str, shown: str) -> None:
    assert label(task) == shown
