"""Order: ordinals without holes, the same for every reader."""

import anyio
import pytest

from bus.protocol import Bus, Place
from contracts.frames import Frame
from tests.integration.bus.frames import STREAM, everything, frame, number, numbers, step

PLACE = Place(STREAM, 0)


async def fill(bus: Bus) -> None:
    """Five events in three entries: 1, 2-4, 5."""
    await bus.append(PLACE, [frame(1), frame(2, 3, 4)])
    await bus.append(PLACE, [frame(5)])


async def test_ordinals_count_events_without_holes(bus: Bus) -> None:
    await fill(bus)
    entries = (await bus.read({PLACE: 0}, count=100))[PLACE]
    assert [(entry.first, entry.last, entry.count) for entry in entries] == [(1, 1, 1), (2, 4, 3), (5, 5, 1)]
    assert numbers(entries) == [1, 2, 3, 4, 5]


async def test_append_returns_the_last_ordinal(bus: Bus) -> None:
    assert await bus.append(PLACE, [frame(1, 2, 3)]) == 3
    assert await bus.append(PLACE, [frame(4), frame(5, 6)]) == 6


async def test_commits_and_appends_share_one_row_of_ordinals(bus: Bus) -> None:
    await bus.append(PLACE, [frame(1)])
    await bus.commit(step(1, "", "1", 2, 3))
    await bus.append(PLACE, [frame(4)])
    entries = (await bus.read({PLACE: 0}, count=100))[PLACE]
    assert [entry.last for entry in entries] == [1, 2, 3, 4]


async def test_each_place_counts_for_itself(bus: Bus) -> None:
    other = Place(STREAM, 1)
    await bus.append(PLACE, [frame(1), frame(2)])
    await bus.append(other, [frame(3)])
    await bus.append(Place("letters", 0), [frame(4)])
    found = await bus.read({PLACE: 0, other: 0}, count=100)
    assert {place: [entry.last for entry in rows] for place, rows in found.items()} == {PLACE: [1, 2], other: [1]}


async def test_read_begins_after_the_given_ordinal(bus: Bus) -> None:
    await fill(bus)
    assert numbers((await bus.read({PLACE: 1}, count=100))[PLACE]) == [2, 3, 4, 5]
    assert numbers((await bus.read({PLACE: 4}, count=100))[PLACE]) == [5]


async def test_read_leaves_out_places_without_news(bus: Bus) -> None:
    await fill(bus)
    assert await bus.read({PLACE: 5, Place(STREAM, 1): 0}, count=100) == {}


async def test_read_gives_at_most_count_entries(bus: Bus) -> None:
    await fill(bus)
    assert numbers((await bus.read({PLACE: 0}, count=2))[PLACE]) == [1, 2, 3, 4]


async def test_blocked_read_wakes_on_an_append(bus: Bus) -> None:
    found = []

    async def read() -> None:
        found.append(await bus.read({PLACE: 0}, count=10, block_s=20))

    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.sleep(0.05)
            began = anyio.current_time()
            await bus.append(PLACE, [frame(1)])
    assert anyio.current_time() - began < 15
    assert numbers(found[0][PLACE]) == [1]


async def test_blocked_read_ends_without_news(bus: Bus) -> None:
    with anyio.fail_after(40):
        began = anyio.current_time()
        assert await bus.read({PLACE: 0}, count=10, block_s=0.2) == {}
    assert anyio.current_time() - began >= 0.15


async def test_cancelled_read_loses_nothing(bus: Bus) -> None:
    with anyio.move_on_after(0.05):
        await bus.read({PLACE: 0}, count=10, block_s=1)
    await bus.append(PLACE, [frame(1)])
    assert numbers((await bus.read({PLACE: 0}, count=10, block_s=1))[PLACE]) == [1]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (1, 5, [1, 2, 3, 4, 5]),
        (1, 1, [1]),
        (2, 2, [2, 3, 4]),
        (3, 4, [2, 3, 4]),
        (4, 5, [2, 3, 4, 5]),
        (0, 1, [1]),
        (6, 9, []),
        (4, 3, []),
    ],
)
async def test_range_gives_whole_entries_that_hold_any_of_it(
    bus: Bus, first: int, last: int, expected: list[int]
) -> None:
    await fill(bus)
    assert numbers(await bus.range(PLACE, first, last, count=100)) == expected


async def test_range_gives_at_most_count_entries(bus: Bus) -> None:
    await fill(bus)
    assert numbers(await bus.range(PLACE, 1, 5, count=2)) == [1, 2, 3, 4]


async def test_range_reads_on_over_many_pages(bus: Bus) -> None:
    await bus.append(PLACE, [frame(value) for value in range(1, 201)])
    assert await everything(bus) == list(range(1, 201))
    assert numbers(await bus.range(PLACE, 3, 190, count=150)) == list(range(3, 153))


async def test_ends_are_the_last_ordinals(bus: Bus) -> None:
    await fill(bus)
    assert await bus.ends([PLACE, Place(STREAM, 1)]) == {PLACE: 5, Place(STREAM, 1): 0}


async def test_entries_are_what_was_written(bus: Bus) -> None:
    written: Frame = frame(1, 2, writer="somebody")
    await bus.append(PLACE, [written])
    (entry,) = await bus.range(PLACE, 1, 2, count=10)
    assert entry.frame() == written
    assert numbers([entry]) == [number(1).time, number(2).time]
