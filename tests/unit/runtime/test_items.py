"""What a processor is handed: everything that it wants, in order, without what was buried; and what came back to it."""

from collections.abc import Sequence
from typing import Any

import pytest

from agents.letters import boxed
from agents.runtime.lanes.items import Item, Unreadable, items
from agents.runtime.lanes.lane import Lane
from agents.state import dump
from bus.memory import MemoryBus
from bus.protocol import Entry, Place
from contracts.events import AnyEvent, ClockTicked, DataQualityIncident, DeadLettered, ReadingsAcquired, Redriven
from contracts.frames import Frame, encode
from tests.unit.runtime.counting import INPUT, POISON, Counter, Hands, feed, home, of_type, plant

TASK = f"counter<{INPUT}"
PLACE = Place(INPUT, 0)
WANTED = (ReadingsAcquired, ClockTicked)


def entries(*frames: Frame) -> list[Entry]:
    found: list[Entry] = []
    last = 0
    for frame in frames:
        last += frame.count
        found.append(Entry(last, frame.count, frame.fields()))
    return found


def ticks(count: int) -> list[AnyEvent]:
    return [ClockTicked.of(cause="c", time=number, asset="a") for number in range(count)]


def shape(found: Sequence[Item | Unreadable]) -> list[tuple[int, int]]:
    """Ordinal of the first event, and number of events, of each item."""
    return [
        (item.position, sum(len(e) if isinstance(e, ReadingsAcquired) else 1 for e in item.events))
        for item in found
        if isinstance(item, Item)
    ]


def readings_in_threes() -> list[Frame]:
    return [frame for part in plant(9).cut(3) for frame in encode([ReadingsAcquired(part)], "w")]


def test_neighbouring_readings_are_one_batch_and_events_stand_alone() -> None:
    (two,) = encode(ticks(2), "w")
    found = list(items(entries(*readings_in_threes(), two, *readings_in_threes()), TASK, WANTED))
    assert shape(found) == [(1, 9), (10, 1), (11, 1), (12, 9)]


@pytest.mark.parametrize(
    ("skip", "wanted"),
    [
        ({5}, [(1, 4), (6, 4), (10, 1), (11, 1)]),
        ({1, 9}, [(2, 7), (10, 1), (11, 1)]),
        ({4, 5, 6}, [(1, 3), (7, 3), (10, 1), (11, 1)]),
        ({11}, [(1, 9), (10, 1)]),
        (set(range(1, 12)), []),
    ],
)
def test_what_was_buried_is_left_out_and_ordinals_stay(skip: set[int], wanted: list[tuple[int, int]]) -> None:
    (two,) = encode(ticks(2), "w")
    assert shape(list(items(entries(*readings_in_threes(), two), TASK, WANTED, skip))) == wanted


def test_entry_that_was_buried_is_not_even_decoded() -> None:
    broken = Entry(3, 3, {b"t": b"Nonsense/1"})
    good = [Entry(entry.last + 3, entry.count, entry.fields) for entry in entries(*readings_in_threes())]
    (rest,) = items([broken, *good], TASK, WANTED, {1, 2, 3})
    assert shape([rest]) == [(4, 9)]
    (first, *_) = items([broken, *good], TASK, WANTED)
    assert isinstance(first, Unreadable)
    assert (first.position, first.count) == (3, 3)


# ---------------------------------------------------------------- what came back


def redriven(letter: DeadLettered, **changes: Any) -> Redriven:
    given = {"agent": letter.agent, "letter": letter.id, "origin": letter.origin, "position": letter.position,
             "events": letter.events, "frame": letter.frame, **changes}  # fmt: skip
    return Redriven.of(cause=letter.id, time=letter.time, asset=letter.agent, discriminator="again", **given)


async def lived(bus: MemoryBus, processor: Counter, token: int = 1) -> Lane:
    found = Lane(home(bus, clock=Hands().clock), processor, TASK, PLACE, token)
    await found.open()
    while news := (await bus.read({PLACE: found.position}, count=5)).get(PLACE):
        await found.step_or_bury(news)
    return found


class Healed(Counter):
    """Can handle what the counter could not."""

    def handle(self, event: Any, state: Any) -> Any:
        if isinstance(event, ReadingsAcquired) and POISON in event.readings.value.tolist():
            event.readings.value[event.readings.value == POISON] = 0.0
        return super().handle(event, state)


async def test_redriven_reading_is_handled_where_it_came_back_with_its_old_ordinal() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(40, assets=1, poison=(9,)), 7)
    await lived(bus, Counter())
    (letter,) = await of_type(bus, DeadLettered)
    await bus.append(PLACE, list(encode([redriven(letter)], "dlq")))
    healed = await lived(bus, _writable(Healed()), 2)
    assert int(healed.state.total[0]) == 40
    (last,) = [event for event in await of_type(bus, DataQualityIncident) if event.count == 40]
    assert last.since == 10, "where the reading was at first"
    again = await lived(bus, _writable(Healed()), 3)
    assert dump(again.state) == dump(healed.state)


def _writable(processor: Counter) -> Counter:
    """Batches are read-only: make the value its own before it is changed."""
    from dataclasses import replace

    inner = processor.handle

    def handle(event: Any, state: Any) -> Any:
        if isinstance(event, ReadingsAcquired):
            event = ReadingsAcquired(replace(event.readings, value=event.readings.value.copy()))
        return inner(event, state)

    object.__setattr__(processor, "handle", handle)
    return processor


async def test_redriven_event_that_fails_again_is_a_dead_letter_again_and_not_lost() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(40, poison=(9,)), 7)
    await lived(bus, Counter())
    (letter,) = await of_type(bus, DeadLettered)
    await bus.append(PLACE, list(encode([redriven(letter)], "dlq")))
    before = await lived(bus, Counter(), 2)
    first, second = await of_type(bus, DeadLettered)
    assert first.id != second.id
    assert (second.position, second.at, second.events) == (10, 41, 1)
    assert second.frame == first.frame
    after = await lived(bus, Counter(), 3)
    assert dump(after.state) == dump(before.state)
    assert len(await of_type(bus, DeadLettered)) == 2


async def test_whole_frame_that_came_back_stands_or_falls_as_one() -> None:
    bus = MemoryBus(1)
    (frame,) = encode([ReadingsAcquired(plant(20, poison=(9,)))], "w")
    letter = DeadLettered.of(
        cause="c", time=1, asset=TASK, agent=TASK, origin=INPUT, position=20, events=20, reason="r",
        frame=boxed(frame.fields()),
    )  # fmt: skip
    await bus.append(PLACE, list(encode([redriven(letter)], "dlq")))
    found = await lived(bus, Counter())
    assert int(found.state.total[0]) == 0
    (again,) = await of_type(bus, DeadLettered)
    assert (again.position, again.at, again.events) == (20, 1, 20)
    assert again.frame == letter.frame


async def test_what_came_back_to_somebody_else_is_passed_by() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(40, poison=(9,)), 7)
    await lived(bus, Counter())
    (letter,) = await of_type(bus, DeadLettered)
    await bus.append(PLACE, list(encode([redriven(letter, agent="drift<x")], "dlq")))
    found = await lived(bus, Counter(), 2)
    assert found.position == 41
    assert int(found.state.total[0]) == 39
    assert len(await of_type(bus, DeadLettered)) == 1


async def test_damaged_frame_that_came_back_is_a_dead_letter() -> None:
    bus = MemoryBus(1)
    letter = DeadLettered.of(
        cause="c", time=1, asset=TASK, agent=TASK, origin=INPUT, position=20, reason="r", frame={"t": "not base64!"}
    )
    await bus.append(PLACE, list(encode([redriven(letter)], "dlq")))
    found = await lived(bus, Counter())
    assert found.position == 1
    assert len(await of_type(bus, DeadLettered)) == 1
