"""How much is read at once depends on how large entries are; what was trimmed comes from the archive."""

from typing import Any, cast

from agents.runtime.appetite import Appetite
from agents.runtime.filling import filled, holes
from agents.runtime.lanes.lane import Lane
from agents.runtime.lanes.maker import maker_of
from agents.state import dump
from bus.memory import MemoryBus
from bus.protocol import Entry, Place
from contracts.events import LogGap
from tests.unit.runtime.counting import INPUT, Counter, Hands, Passing, feed, home, of_type, plant, story

PLACE = Place(INPUT, 0)
MB = 1 << 20


def of_size(size: int, count: int = 40) -> list[Entry]:
    return [Entry(number + 1, 1, {b"b": bytes(size)}) for number in range(count)]


def test_a_read_holds_about_its_share_of_memory() -> None:
    appetite = Appetite(16)
    assert appetite.count(8) == 64
    for size, places, count in ((100, 8, 500), (MB, 1, 16), (MB, 8, 2), (20 * MB, 8, 1)):
        for _ in range(12):
            appetite.fed(of_size(size))
        assert appetite.count(places) == count


def test_larger_entries_are_noticed_at_once_and_smaller_ones_slowly() -> None:
    appetite = Appetite(16)
    appetite.fed(of_size(100))
    appetite.fed(of_size(MB))
    assert appetite.count(1) <= 16
    appetite.fed(of_size(100))
    assert appetite.count(1) <= 33
    appetite.fed([])
    assert appetite.count(1) <= 33


def test_most_entries_are_never_exceeded() -> None:
    appetite = Appetite(1000, 2_000)
    appetite.fed([Entry(1, 1, {})])
    assert appetite.count(1) == 2_000


# ---------------------------------------------------------------- holes


def test_holes_are_found_by_arithmetic() -> None:
    assert holes(0, [Entry(3, 3, {}), Entry(9, 3, {}), Entry(10, 1, {})]) == [(4, 7)]
    assert holes(2, [Entry(5, 1, {})]) == [(3, 5)]
    assert holes(0, []) == []


async def lived(log: MemoryBus, archive: MemoryBus | None) -> Lane:
    from dataclasses import replace

    surroundings = replace(home(log, clock=Hands().clock, read_events=20), history=cast(Any, archive))
    found = Lane(surroundings, Counter(), f"counter<{INPUT}", PLACE, 1)
    await found.open()
    while news := (await log.read({PLACE: found.position}, count=1000)).get(PLACE):
        await found.step_or_bury(news)
    return found


async def test_entries_that_were_trimmed_before_they_were_read_come_from_the_archive() -> None:
    whole, trimmed = MemoryBus(1), MemoryBus(1)
    for bus in (whole, trimmed):
        await feed(bus, plant(200), 7)
    wanted = dump((await lived(whole, None)).state)
    del trimmed._streams[PLACE][:11]
    del trimmed._streams[PLACE][5:8]
    found = await lived(trimmed, whole)
    assert (found.position, dump(found.state)) == (200, wanted)
    assert await of_type(trimmed, LogGap) == []
    assert await story(trimmed, "incidents") == await story(whole, "incidents") != []


async def test_what_the_archive_has_not_either_is_a_gap() -> None:
    part, trimmed = MemoryBus(1), MemoryBus(1)
    for bus in (part, trimmed):
        await feed(bus, plant(100), 7)
    del trimmed._streams[PLACE][2:6]
    del part._streams[PLACE][3:5]
    found = await lived(trimmed, part)
    assert found.position == 100
    assert [(gap.first, gap.last) for gap in await of_type(trimmed, LogGap)] == [(22, 35)]


async def test_without_a_hole_nobody_asks_the_archive() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(20), 7)
    entries = (await bus.read({PLACE: 0}, count=9))[PLACE]
    assert await filled(home(bus), PLACE, 0, entries, 10) is entries


# ---------------------------------------------------------------- makers


def test_maker_is_the_same_for_the_same_and_differs_for_anything_else() -> None:
    assert maker_of(Counter()) == maker_of(Counter(every=5))
    assert len({maker_of(Counter()), maker_of(Counter(every=6)), maker_of(Passing())}) == 3


def test_model_belongs_to_the_maker() -> None:
    class Modelled(Counter):
        digest: str = ""

        @property
        def bundle(self) -> str:
            return names[0]

    names = ["one"]
    first = maker_of(Modelled())
    names[0] = "two"
    assert maker_of(Modelled()) != first
