"""The chore that tells when something changes."""

from pathlib import Path

import numpy as np

from agents.health.monitor import HealthMonitor
from agents.parts import Context, Log
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from contracts.events import DeadLettered, Event, HealthChanged, ReadingsAccepted, ReadingsAcquired
from contracts.frames import encode
from contracts.instants import DAY, SECOND
from contracts.readings import Readings, Series
from contracts.settings import load

NOW = 20_000 * DAY
TASK = "anomaly<readings.accepted"


def monitor(data_dir: Path, *endless: str) -> HealthMonitor:
    found = HealthMonitor()
    found.prepare(Context(agent="coordinator", data_dir=data_dir, endless=endless))
    return found


def readings(*seconds: float) -> Readings:
    times = np.array([NOW + int(second * SECOND) for second in seconds], np.int64)
    n = len(times)
    zeros = np.zeros(n, np.int64)
    return Readings.of([Series("push", "a", "c")], zeros, times, zeros.astype(np.float64), np.arange(n, dtype=np.int64))


async def look(chore: HealthMonitor, bus: MemoryBus, at_s: float) -> list[tuple[str, str]]:
    """One look; what it tells is put into the log, as the runtime does."""
    positions = [await bus.positions(number) for number in range(bus.partitions)]
    events: list[Event] = list(await chore.tend(Log(bus, positions, NOW + int(at_s * SECOND))))
    for event in events:
        await bus.append(Place(event.stream, 0), list(encode([event], "health")))
    return [(event.check, event.state) for event in events if isinstance(event, HealthChanged)]


async def commit(bus: MemoryBus, writer: str, stream: str, event: object) -> None:
    frames = [(stream, frame) for frame in encode([event], writer)]  # type: ignore[list-item]  # both are events
    at = (await bus.positions(0)).get(writer, "")
    await bus.commit(Commit(0, writer, 1, at, f"{at}x", frames))


async def test_tells_what_is_wrong_when_two_looks_see_it_and_what_is_mended(tmp_path: Path) -> None:
    """And nothing of what is well; another process that takes over knows what was told."""
    bus = MemoryBus(1)
    await commit(bus, "source", "readings.acquired", ReadingsAcquired(readings(-60, 0)))
    chore = monitor(tmp_path, "push")
    assert await look(chore, bus, 60) == []
    assert await look(chore, bus, 7 * 3600) == []
    assert await look(chore, bus, 7 * 3600 + 60) == [("data-gaps", "warning")]
    assert await look(chore, bus, 7 * 3600 + 120) == []
    successor = monitor(tmp_path)
    assert await look(successor, bus, 7 * 3600 + 180) == []
    # Without sources that should go on nothing is missing.
    assert await look(successor, bus, 7 * 3600 + 240) == [("data-gaps", "ok")]


async def test_scoring_that_stands_still_is_told(tmp_path: Path) -> None:
    """By the readings' own time: ninety seconds are too many. The archive is behind on purpose."""
    bus = MemoryBus(1)
    await bus.commit(Commit(0, "archive<readings.accepted", 1, "", "1"))
    await commit(bus, "validation", "readings.accepted", ReadingsAccepted(readings(0, 30)))
    await bus.commit(Commit(0, TASK, 1, "", "1"))
    chore = monitor(tmp_path)
    for at in (31, 32, 33):
        assert await look(chore, bus, at) == []
    await commit(bus, "validation", "readings.accepted", ReadingsAccepted(readings(91)))
    assert [await look(chore, bus, at) for at in (92, 93)] == [[], [("feature-latency", "warning")]]
    await bus.commit(Commit(0, TASK, 1, "1", "3"))
    assert [await look(chore, bus, at) for at in (94, 95)] == [[], [("feature-latency", "ok")]]


async def test_a_store_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Its file is there and is no database."""
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"no database" * 100)
    chore = monitor(tmp_path)
    bus = MemoryBus(1)
    assert [await look(chore, bus, at) for at in (1, 2)] == [[], [("training-runs", "failed")]]


async def test_what_is_looked_at_around_the_service_is_told_too(tmp_path: Path) -> None:
    """A file that cannot be read any more, then a folder that others can read, then nothing."""
    file, data_dir = tmp_path / "tocsin.yaml", tmp_path / "d"
    data_dir.mkdir(mode=0o700)
    file.write_text("bus: {partitions: 0}\n")
    chore, bus = HealthMonitor(), MemoryBus(1)
    chore.prepare(Context(agent="c", data_dir=data_dir, settings=lambda: load(file, {"data_dir": data_dir})[0]))
    assert [await look(chore, bus, at) for at in (1, 2)] == [[], [("config", "failed")]]
    file.write_text("archive: {enabled: true}\n")
    data_dir.chmod(0o755)
    assert [await look(chore, bus, at) for at in (3, 4)] == [[], [("config", "ok"), ("permissions", "warning")]]
    data_dir.chmod(0o700)
    assert [await look(chore, bus, at) for at in (5, 6, 7)] == [[], [("permissions", "ok")], []]


async def test_work_that_is_not_done_is_told(tmp_path: Path) -> None:
    """A task of the configuration that does not move, and a dead letter."""
    bus = MemoryBus(1)
    await commit(bus, "validation", "readings.accepted", ReadingsAccepted(readings(0, 1)))
    chore = HealthMonitor()
    chore.prepare(Context(agent="c", data_dir=tmp_path, tasks=(TASK,)))
    assert [await look(chore, bus, at) for at in (0, 59)] == [[], []]
    assert [await look(chore, bus, at) for at in (61, 62)] == [[], [("log.lag", "warning")]]
    letter = DeadLettered.of(
        cause="c", time=1, asset="a", agent="anomaly", origin="readings.accepted", position=1, reason="boom", frame={}
    )
    await bus.append(Place(letter.stream, 0), list(encode([letter], "anomaly")))
    assert [await look(chore, bus, at) for at in (63, 64)] == [[], [("log.dead-letters", "warning")]]
