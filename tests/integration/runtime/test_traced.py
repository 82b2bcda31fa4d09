"""The trace of an entry is kept with it, and changes nothing of what is exported, archived or replayed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.replay.rerun import Rerun
from agents.topology import Placed, Topology
from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from bus.scan import FACTS
from console.export import log_rows
from contracts.events import ReadingsAcquired
from contracts.frames import encode
from tests.unit.runtime.counting import INPUT, Counter, Shelf, plant

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PLACE = Place(INPUT, 0)
READINGS = 60


async def log_of(trace: str) -> MemoryBus:
    bus = MemoryBus(1)
    frames = [frame for part in plant(READINGS).cut(7) for frame in encode([ReadingsAcquired(part)], "plant")]
    outputs = [(INPUT, replace(frame, trace=trace)) for frame in frames]
    await bus.commit(Commit(0, "source:plant", 1, "", "1", outputs))
    return bus


async def told(bus: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What an export gives, and what a replay of all readings gives."""
    rerun = Rerun(Topology([Placed("plant", "plant", Shelf()), Placed("counter", "counter", Counter())]), 1)
    await rerun.feed(bus, 0, READINGS, lambda count: None)
    return [row async for row in log_rows(bus, FACTS)], [row async for row in log_rows(rerun.bus, FACTS)]


async def test_traced_entries_are_exported_and_replayed_as_all_others(tmp_path: Path) -> None:
    plain, traced = await log_of(""), await log_of(TRACE)
    exported, replayed = wanted = await told(plain)
    assert len(exported) == READINGS < len(replayed)
    assert await told(traced) == wanted
    entries = await traced.range(PLACE, 1, READINGS, count=99)
    assert [entry.fields[b"x"] for entry in entries] == [TRACE.encode()] * len(entries)
    archive = Archive(tmp_path)
    await archive.verify(await archive.add(PLACE, entries))
    assert await archive.range(PLACE, 1, READINGS, count=99) == entries, "with their traces"
    await traced.trim(PLACE, READINGS)
    assert await traced.starts([PLACE]) == {PLACE: READINGS + 1}
    assert await told(History(archive, traced)) == wanted
