"""The archive's disk is gone, or its folder cannot be read, and the search for an alert catches that as "not there".
Whoever asks is told that there is no such alert, and looks for the mistake in the id.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Entry, Place
from bus.saved import Saved
from console.lineage import walked
from console.options import Choices
from console.past.record import Record
from contracts.errors import NotFound, TocsinError
from contracts.events import AnomalyDetected, Evidence
from contracts.frames import encode

Look = Callable[[Record, Path, str], Awaitable[dict[str, Any]]]
Break = Callable[[Path], None]
PLACE = Place("anomalies", 0)


def alert(number: int) -> AnomalyDetected:
    return AnomalyDetected.of(
        cause=f"r{number}", time=number, asset="pump-1", channel="flow", score=0.97, threshold=0.9, reason="level",
        value=1.5, detector="ewma", bundle="b" * 64, feature_set="f", environment="e",
        evidence=Evidence(stream="readings.accepted", first=1, last=2),
    )  # fmt: skip


def a_file_instead(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("a mount that failed")


def a_place_that_is_a_file(folder: Path) -> None:
    place = folder / "stream=anomalies" / "partition=0000"
    place.rename(folder / "elsewhere")
    place.write_text("no folder")


def a_segment_is_gone(folder: Path) -> None:
    next(folder.rglob("*.parquet")).unlink()


def a_segment_is_cut(folder: Path) -> None:
    path = next(folder.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:100])


class Trimmed(MemoryBus):
    """A log whose first entries are in the archive only."""

    async def starts(self, places: Sequence[Place]) -> dict[Place, int]:
        found = await super().starts(places)
        return {**found, PLACE: 3} if PLACE in found else found

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        return await super().range(place, max(first, 3) if place == PLACE else first, last, count=count)


async def by_us(record: Record, data_dir: Path, name: str) -> dict[str, Any]:
    return await walked(record, Choices(data_dir=data_dir).load(), name)


async def hiding(record: Record, data_dir: Path, name: str) -> dict[str, Any]:
    try:
        return await by_us(record, data_dir, name)
    except (OSError, TocsinError):
        raise NotFound(f"no finding has the id {name}") from None


async def check(look: Look, base: Path) -> None:
    hidden = []
    for broken in (a_file_instead, a_place_that_is_a_file, a_segment_is_gone, a_segment_is_cut):
        folder = base / broken.__name__ / "archive"
        bus = Trimmed(1)
        entries = []
        for number in (1, 2, 3):
            await bus.append(PLACE, list(encode([alert(number)], "w")))
            entries = await MemoryBus.range(bus, PLACE, 1, 2, count=9)
        await Archive(folder, "log", 1).add(PLACE, entries[:2])
        broken(folder)
        archive = Archive(folder, "log", 1)
        record = Record(History(archive, bus), Saved(archive, bus), "log")
        with pytest.raises(TocsinError) as caught:
            await look(record, base / broken.__name__ / "data", alert(1).id)
        if isinstance(caught.value, NotFound):
            hidden.append(broken.__name__)
    assert not hidden, f"told as an alert that is not there: {', '.join(hidden)}"


async def test_a_disk_that_fails_is_told_as_such(tmp_path: Path) -> None:
    await check(by_us, tmp_path)


async def test_a_search_that_catches_everything_hides_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="not there: a_file_instead, a_place_that_is_a_file, a_segment_is_gone"):
        await check(hiding, tmp_path)
