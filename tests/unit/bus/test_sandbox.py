"""A sandbox goes on where it is told, and gives each writer the turn that it had."""

from random import Random
from typing import Any

import pytest

from agents.runtime.home import outputs
from bus.memory import MemoryBus
from bus.protocol import Commit, Place, Snapshot
from bus.sandbox import Sandbox, Turns, cut
from contracts.events import AnyEvent, DataQualityIncident, ReadingsAccepted
from contracts.frames import decode, encode
from tests.unit.runtime.counting import plant, story

PLACE = Place("incidents", 0)


def incident(writer: str, number: int) -> DataQualityIncident:
    about: dict[str, Any] = {"kind": "gap", "state": "open", "detail": writer, "since": 0, "count": number}
    return DataQualityIncident.of(cause=f"{writer}{number}", time=number, asset="m", **about)


async def write(bus: MemoryBus, writer: str, events: list[AnyEvent], position: int) -> None:
    before = await bus.position(0, writer)
    await bus.commit(Commit(0, writer, 1, before, str(position), outputs(events, writer)))


async def recorded(random: Random) -> MemoryBus:
    """A log to which three tasks wrote, each as much at once as chance had it."""
    bus = MemoryBus(1)
    left = {writer: list(range(40)) for writer in ("a", "b", "other")}
    while any(left.values()):
        writer = random.choice([name for name, numbers in left.items() if numbers])
        some = [left[writer].pop(0) for _ in range(min(len(left[writer]), random.randint(1, 6)))]
        await write(bus, writer, [incident(writer, number) for number in some], some[-1] + 1)
    return bus


@pytest.mark.parametrize("seed", range(6))
async def test_outputs_stand_where_they_stood_however_they_come(seed: int) -> None:
    random = Random(seed)
    log = await recorded(random)
    sandbox = Sandbox(1)
    sandbox.merge(Turns(log, PLACE, 0, 120, {"a": 0, "b": 0}, lambda entry: True))
    for writer in random.sample(["a", "b"], 2):
        number = 0
        while number < 40:
            size = random.randint(1, 15)
            await write(
                sandbox, writer, [incident(writer, n) for n in range(number, min(40, number + size))], number + 1
            )
            number += size
    while await sandbox.take_turns(PLACE):
        pass
    assert await story(sandbox, "incidents") == await story(log, "incidents")
    assert sandbox.reached(PLACE, 120)


async def test_what_was_written_before_is_taken_as_it_was() -> None:
    log = await recorded(Random(3))
    sandbox = Sandbox(1)
    sandbox.start_at(PLACE, 30)
    ends = {"a": 60, "b": 60}
    sandbox.merge(Turns(log, PLACE, 30, 120, ends, lambda entry: False))
    while await sandbox.take_turns(PLACE):
        pass
    there = await sandbox.range(PLACE, 1, 1000, count=1000)
    assert there[0].first == 31 or there[0].first <= 31 <= there[0].last
    writers = {entry.fields[b"w"] for entry in there}
    assert writers == {b"a", b"b"}


async def test_what_has_no_turn_any_more_stands_at_the_end() -> None:
    log = await recorded(Random(4))
    sandbox = Sandbox(1)
    sandbox.merge(Turns(log, PLACE, 0, 120, {"a": 0, "b": 0}, lambda entry: False))
    await write(sandbox, "b", [incident("b", number) for number in range(40)], 40)
    assert len(await story(sandbox, "incidents")) < 40, "a has not said anything yet"
    sandbox.finish(PLACE)
    assert [text for text in await story(sandbox, "incidents") if '"b"' in text] == [
        text for text in await story(log, "incidents") if '"b"' in text
    ]


async def test_a_commit_that_comes_twice_is_one() -> None:
    sandbox = Sandbox(1)
    commit = Commit(0, "a", 1, "", "1", outputs([incident("a", 1)], "a"))
    await sandbox.commit(commit)
    await sandbox.commit(commit)
    assert len(await story(sandbox, "incidents")) == 1


async def test_a_place_begins_once() -> None:
    sandbox = Sandbox(1)
    sandbox.start_at(PLACE, 7)
    await write(sandbox, "a", [incident("a", 1)], 1)
    assert (await sandbox.ends([PLACE]))[PLACE] == 8
    with pytest.raises(ValueError, match="has begun already"):
        sandbox.start_at(PLACE, 9)


async def test_a_saved_state_says_nothing_of_outputs() -> None:
    """They may wait for their turn: a recovery that compares would miss them."""
    sandbox = Sandbox(1)
    await sandbox.fence(0, "a", 1)
    await sandbox.save(0, "a", 1, Snapshot("3", b"state", {"incidents": 9}, "somebody"))
    assert await sandbox.snapshots(0, "a") == [Snapshot("3", b"state")]


@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_frame_is_cut_between_its_events(at: int) -> None:
    events = [incident("a", number) for number in range(7)]
    (frame,) = encode(events, "a")
    first, second = cut(frame, at)
    assert (first.count, decode(first) + decode(second)) == (at, events)
    (columns,) = encode([ReadingsAccepted(plant(7))], "a")
    parts = [decode(part)[0] for part in cut(columns, at)]
    assert [len(part) for part in parts if isinstance(part, ReadingsAccepted)] == [at, 7 - at]
