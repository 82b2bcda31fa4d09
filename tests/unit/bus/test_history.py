"""Archive and log are read as one: nothing is missing that either has, and nothing is told that is in neither."""

from pathlib import Path

import pytest

from bus.archive import Archive
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Entry, Place
from tests.integration.bus.frames import STREAM, frame, numbers

PLACE = Place(STREAM, 3)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive", "log-1", 4)


async def test_history_is_what_the_log_was(archive: Archive) -> None:
    log = MemoryBus(4)
    for start in range(1, 61, 3):
        await log.append(PLACE, [frame(start, start + 1, start + 2)])
    whole = await log.range(PLACE, 1, 60, count=99)
    await archive.add(PLACE, whole[:7])
    await archive.add(PLACE, whole[7:15])
    history = History(archive, log)
    for upto in (0, 9, 30, 45):
        await log.trim(PLACE, upto)
        for first, last, count in ((1, 60, 99), (5, 50, 9), (28, 34, 99), (44, 47, 99), (58, 99, 9), (61, 99, 9)):
            expected = [entry for entry in whole if entry.last >= first and entry.first <= last][:count]
            assert await history.range(PLACE, first, last, count=count) == expected, (upto, first, last, count)
        assert (await history.starts([PLACE]), await history.ends([PLACE])) == ({PLACE: 1}, {PLACE: 60})


async def test_history_of_an_emptied_log_is_the_archive(archive: Archive) -> None:
    log = MemoryBus(4)
    await log.append(PLACE, [frame(1, 2), frame(3)])
    await archive.add(PLACE, await log.range(PLACE, 1, 3, count=9))
    await log.trim(PLACE, 3)
    assert numbers(await History(archive, log).range(PLACE, 1, 3, count=9)) == [1, 2, 3]
    assert await History(None, log).range(PLACE, 1, 3, count=9) == []
    assert await History(None, log).starts([PLACE]) == {PLACE: 4}


async def test_trimming_while_it_is_read_loses_nothing(archive: Archive) -> None:
    log = MemoryBus(4)
    for value in range(1, 11):
        await log.append(PLACE, [frame(value)])
    whole = await log.range(PLACE, 1, 10, count=99)
    await archive.add(PLACE, whole)

    class Halved(MemoryBus):
        """A log of which a part goes between two pages of one reading."""

        async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
            return [entry for entry in await log.range(place, first, last, count=count) if not 4 <= entry.last <= 6]

        async def starts(self, places: object) -> dict[Place, int]:
            return {PLACE: 7}

    assert await History(archive, Halved(4)).range(PLACE, 1, 10, count=99) == whole


async def test_a_hole_that_nobody_can_fill_stays_one(archive: Archive) -> None:
    log = MemoryBus(4)
    for value in range(1, 11):
        await log.append(PLACE, [frame(value)])
    del log._streams[PLACE][4:6]
    await archive.add(PLACE, await log.range(PLACE, 1, 3, count=99))
    await log.trim(PLACE, 2)
    found = await History(archive, log).range(PLACE, 1, 10, count=99)
    assert [entry.last for entry in found] == [1, 2, 3, 4, 7, 8, 9, 10]


@pytest.mark.parametrize("gone", [(1,), (5,), (9, 10), (1, 4, 5, 6, 10), tuple(range(1, 11))])
async def test_what_was_taken_out_of_the_log_is_in_the_archive(archive: Archive, gone: tuple[int, ...]) -> None:
    log = MemoryBus(4)
    for value in range(1, 13):
        await log.append(PLACE, [frame(2 * value, 2 * value + 1)])
    whole = await log.range(PLACE, 1, 24, count=99)
    await archive.add(PLACE, whole[:7])
    await archive.add(PLACE, whole[7:])
    log._streams[PLACE][:] = [entry for entry in whole if entry.last // 2 not in gone]
    for first, last, count in ((1, 24, 99), (1, 1 << 40, 99), (4, 19, 99), (3, 21, 4), (10, 10, 9), (20, 24, 1)):
        expected = [entry for entry in whole if entry.last >= first and entry.first <= last][:count]
        assert await History(archive, log).range(PLACE, first, last, count=count) == expected, (first, last, count)


async def test_an_archive_that_knows_more_than_the_log_is_not_believed(archive: Archive) -> None:
    log, longer = MemoryBus(4), MemoryBus(4)
    for value in range(1, 9):
        await longer.append(PLACE, [frame(value)])
    await archive.add(PLACE, await longer.range(PLACE, 1, 8, count=99))
    for value in range(1, 6):
        await log.append(PLACE, [frame(value)])
    found = await History(archive, log).range(PLACE, 1, 1 << 40, count=99)
    assert numbers(found) == [1, 2, 3, 4, 5]
