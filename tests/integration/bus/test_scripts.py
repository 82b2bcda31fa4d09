"""Frames go through every script as they are, however they stand beside each other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bus.protocol import Bus, Commit, Place
from contracts.events import ReadingsAcquired
from contracts.frames import Frame, encode
from contracts.readings import Readings, Series
from tests.integration.bus.frames import frame

ONE = np.ones(1, np.int64)


def columns(count: int, trace: str = "") -> Frame:
    rows = np.arange(count, dtype=np.int64)
    batch = Readings.of([Series("s", "a", "c")], np.zeros(count, np.int32), rows, rows / 7, rows)
    (found,) = encode([ReadingsAcquired(batch)], "columns", trace=trace)
    return found


#: Every neighbour differs in one thing from the one before: stream, writer, trace, columns, type.
OUTPUTS: Sequence[tuple[str, Frame]] = (
    ("one", frame(1)),
    ("one", frame(2, 3)),
    ("two", frame(4)),
    ("one", frame(5, writer="another")),
    ("one", replace(frame(6, writer="another"), trace="00-a")),
    ("one", replace(frame(7, writer="another"), trace="00-b")),
    ("one", columns(300, trace="00-b")),
    ("one", columns(2)),
    ("three", columns(4)),
    ("two", frame(8, 9)),
)
STREAMS = ("one", "two", "three")


async def stored(bus: Bus, stream: str) -> list[Frame]:
    return [entry.frame() for entry in await bus.range(Place(stream, 0), 1, 10**6, count=100)]


def sent(stream: str) -> list[Frame]:
    return [frame for name, frame in OUTPUTS if name == stream]


async def check(bus: Bus) -> None:
    for stream in STREAMS:
        assert await stored(bus, stream) == sent(stream)
    places = [Place(stream, 0) for stream in STREAMS]
    assert await bus.ends(places) == {place: sum(frame.count for frame in sent(place.stream)) for place in places}


async def test_commit_stores_frames_as_they_are(bus: Bus) -> None:
    await bus.commit(Commit(0, "t", 1, "", "1", OUTPUTS[:4]))
    await bus.commit(Commit(0, "t", 1, "1", "2", OUTPUTS[4:]))
    await check(bus)


async def test_append_stores_frames_as_they_are(bus: Bus) -> None:
    for stream in STREAMS:
        last = await bus.append(Place(stream, 0), sent(stream))
        assert last == sum(frame.count for frame in sent(stream))
    await check(bus)


async def test_append_of_nothing_tells_the_end(bus: Bus) -> None:
    assert await bus.append(Place("one", 0), []) == 0
    await bus.append(Place("one", 0), [frame(1, 2)])
    assert await bus.append(Place("one", 0), []) == 2


@pytest.mark.parametrize("outputs", [(), OUTPUTS], ids=["nothing", "everything"])
async def test_settle_stores_frames_as_they_are(bus: Bus, outputs: Sequence[tuple[str, Frame]]) -> None:
    place = Place("inbox", 0)
    await bus.append(place, [frame(0)])
    await bus.subscribe("g", [place])
    (delivery,) = await bus.fetch("g", "c", [place], count=1)
    assert await bus.settle("g", place, delivery.entry, outputs)
    if outputs:
        await check(bus)


async def test_ordinals_above_the_range_of_floats_in_text(bus: Bus) -> None:
    """Lua writes large numbers as 1e+15 unless it is told not to."""
    place = Place("one", 0)
    large = replace(frame(1), count=10**14).sealed()
    for number in range(3):
        await bus.append(place, [large, *([frame(2)] * number)])
    (*_, last) = await bus.range(place, 3 * 10**14, 4 * 10**14, count=10)
    assert last.last == 3 * 10**14 + 3
