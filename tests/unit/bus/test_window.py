"""Where the events of some time are is found without missing any, in archive and log."""

from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bus import window
from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.window import bounds, spans
from contracts.events import ReadingsAcquired
from contracts.frames import encode
from contracts.instants import EARLIEST, LATEST
from contracts.readings import Readings, Series

PLACE = Place("readings.acquired", 0)


async def log_of(times: list[int], archived: int, folder: Path, size: int = 10) -> History:
    """A log of readings at these times, one in an entry; the first ones are archived, in segments of ``size``."""
    bus, archive = MemoryBus(1), Archive(folder, "x", 1)
    for position, time in enumerate(times):
        one = np.array([position])
        readings = Readings.of([Series("s", "a", "c")], one * 0, np.array([time]), one * 0.5, one)
        await bus.append(PLACE, list(encode([ReadingsAcquired(readings)], "s")))
    entries = await bus.range(PLACE, 1, archived, count=archived)
    for start in range(0, archived, size):
        await archive.add(PLACE, entries[start : start + size])
    return History(archive, bus)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_PAGE", 3)


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_of_the_time_is_left_out(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    times = [1000 + n * 10 + random.choice((0, 0, 0, -300, 500, -999)) for n in range(120)]
    history = await log_of(times, random.randrange(0, 121, 10), tmp_path)
    since = random.randint(900, 2300)
    until = since + random.randint(0, 400)
    wanted = {number + 1 for number, time in enumerate(times) if since <= time <= until}
    coarse = await spans(history, PLACE, since, until)
    assert wanted <= {n for first, last in coarse for n in range(first, last + 1)}
    assert all(one[1] + 1 < two[0] for one, two in pairwise(coarse))
    found = await bounds(history, PLACE, since, until)
    if found is None:
        assert not wanted
    else:
        assert found[0] == min(wanted)
        assert found[1] - 3 < max(wanted) <= found[1]


async def test_segments_of_another_time_are_not_read(tmp_path: Path) -> None:
    history = await log_of(list(range(1000, 1200)), 200, tmp_path)
    assert await spans(history, PLACE, 1052, 1055) == [(51, 60)]
    assert await bounds(history, PLACE, 1052, 1055) == (53, 56)


async def test_no_time_named_is_all_of_it(tmp_path: Path) -> None:
    history = await log_of([5, 6, 7], 0, tmp_path)
    assert await bounds(history, PLACE, EARLIEST, LATEST) == (1, 3)
    assert await bounds(history, PLACE, 8, 9) is None
    assert await bounds(History(None, MemoryBus(1)), PLACE, EARLIEST, LATEST) is None
