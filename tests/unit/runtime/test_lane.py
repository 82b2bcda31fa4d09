"""A lane: recovery gives the state that was lost, poison is buried alone, refused commits change nothing."""

from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from agents.runtime.lanes.lane import Lane
from agents.state import dump
from bus.memory import MemoryBus
from bus.protocol import Commit, Entry, Place, Snapshot
from contracts.errors import Diverged, Fenced, PositionMoved
from contracts.events import ClockTicked, DataQualityIncident, DeadLettered, ReadingsAcquired
from contracts.frames import Frame, decode, encode
from contracts.readings import Readings
from tests.unit.runtime.counting import INPUT, Counter, Counts, Hands, feed, home, of_type, plant, story

PLACE = Place(INPUT, 0)
TASK = f"counter<{INPUT}"
CUTS = (1, 7, 1000)


async def filled(readings: Readings, cut: int = 7) -> MemoryBus:
    bus = MemoryBus(1)
    await feed(bus, readings, cut)
    return bus


def lane(bus: MemoryBus, token: int = 1, hands: Hands | None = None) -> Lane:
    surroundings = home(bus, clock=(hands or Hands()).clock)
    return Lane(surroundings, Counter(), TASK, PLACE, token)


async def news(bus: MemoryBus, found: Lane, count: int = 1000) -> Sequence[Entry]:
    return (await bus.read({PLACE: found.position}, count=count))[PLACE]


async def worked_off(bus: MemoryBus, token: int = 1, count: int = 1000) -> Lane:
    """A lane that has handled everything, ``count`` entries at a time."""
    found = lane(bus, token)
    await found.open()
    while found.position < (await bus.ends([PLACE]))[PLACE]:
        await found.step_or_bury(await news(bus, found, count))
    return found


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("count", [1, 3, 1000])
async def test_outputs_and_state_do_not_depend_on_how_the_input_was_cut(cut: int, count: int) -> None:
    reference = await filled(plant(100), 1000)
    expected = dump((await worked_off(reference)).state)
    bus = await filled(plant(100), cut)
    assert dump((await worked_off(bus, count=count)).state) == expected
    assert await story(bus, "incidents") == await story(reference, "incidents") != []


@pytest.mark.parametrize("cut", CUTS)
async def test_replay_without_a_snapshot_gives_the_same_state(cut: int) -> None:
    bus = await filled(plant(100), cut)
    before = await worked_off(bus)
    told = await story(bus, "incidents")
    after = lane(bus, token=2)
    await after.open()
    assert (after.position, dump(after.state)) == (before.position, dump(before.state))
    assert await story(bus, "incidents") == told, "what comes out again is not written again"


@pytest.mark.parametrize("saved_after", [1, 5, 14])
async def test_snapshot_and_replay_give_the_same_state(saved_after: int) -> None:
    bus = await filled(plant(100))
    before = lane(bus)
    await before.open()
    for number in range(15):
        await before.step(await news(bus, before, 1))
        if number == saved_after:
            await before.save_if_due(now=True)
    after = lane(bus, token=2)
    await after.open()
    assert (after.position, dump(after.state)) == (before.position, dump(before.state))


async def test_recovery_begins_at_the_snapshot() -> None:
    """Entries before it may be gone: nobody needs them."""
    bus = await filled(plant(100))
    before = await worked_off(bus)
    await before.save_if_due(now=True)
    bus._streams[PLACE][:] = []
    after = lane(bus, token=2)
    await after.open()
    assert dump(after.state) == dump(before.state)


async def test_snapshot_of_another_shape_is_left_for_the_one_before() -> None:
    bus = await filled(plant(100))
    before = await worked_off(bus)
    await before.save_if_due(now=True)
    await bus.save(0, TASK, 1, Snapshot(str(before.position), b"an older layout"))
    bus._streams[PLACE][:] = []
    after = lane(bus, token=2)
    await after.open()
    assert dump(after.state) == dump(before.state)


async def test_snapshot_ahead_of_the_log_is_not_used() -> None:
    bus = await filled(plant(20))
    before = await worked_off(bus)
    state = dump(before.state)
    strange = plant(3)
    before.state.ticks = 99
    await bus.save(0, TASK, 1, Snapshot(str(before.position + len(strange)), dump(before.state)))
    after = lane(bus, token=2)
    await after.open()
    assert (after.position, dump(after.state)) == (20, state)


async def test_a_hole_in_what_is_replayed_is_not_passed_over() -> None:
    bus = await filled(plant(30))
    await worked_off(bus)
    del bus._streams[PLACE][1]
    with pytest.raises(Diverged, match="should go on at 8, found 15"):
        await lane(bus, token=2).open()


async def test_snapshots_are_saved_when_due_and_only_when_something_changed() -> None:
    hands, bus = Hands(), await filled(plant(30))
    found = lane(bus, hands=hands)
    await found.open()
    await found.step(await news(bus, found, 1))
    await found.save_if_due()
    assert [snapshot.position for snapshot in await bus.snapshots(0, TASK)] == ["0"], "not due yet"
    hands.now_s += 6
    await found.save_if_due()
    assert [snapshot.position for snapshot in await bus.snapshots(0, TASK)] == ["7", "0"]
    hands.now_s += 6
    await found.save_if_due()
    assert [snapshot.position for snapshot in await bus.snapshots(0, TASK)] == ["7", "0"]
    await found.step(await news(bus, found, 1))
    await found.save_if_due()
    assert [snapshot.position for snapshot in await bus.snapshots(0, TASK)] == ["14", "7"]


# ---------------------------------------------------------------- poison


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("poison", [(50,), (0,), (99,), (49, 50), (3, 30, 77)])
async def test_poison_is_buried_alone(cut: int, poison: tuple[int, ...]) -> None:
    readings = plant(100, poison=poison)
    bus = await filled(readings, cut)
    found = await worked_off(bus)
    letters = await of_type(bus, DeadLettered)
    assert found.position == 100
    assert [letter.position for letter in letters] == [row + 1 for row in poison]
    assert all("this reading cannot be handled" in letter.reason for letter in letters)
    assert len({letter.id for letter in letters}) == len(poison)
    without = await filled(readings.take([row for row in range(100) if row not in poison]))  # type: ignore[arg-type] # rows
    clean = await worked_off(without)
    assert found.state.by_series == clean.state.by_series
    causes = [incident.cause for incident in await of_type(bus, DataQualityIncident)]
    assert causes == [incident.cause for incident in await of_type(without, DataQualityIncident)] != []


async def test_dead_letter_holds_the_reading_that_was_buried() -> None:
    readings = plant(20, poison=(9,))
    bus = await filled(readings)
    await worked_off(bus)
    (letter,) = await of_type(bus, DeadLettered)
    fields = {key.encode(): b64decode(value) for key, value in letter.frame.items()}
    (event,) = decode(Frame.parse(fields, 1))
    assert isinstance(event, ReadingsAcquired)
    assert event.same_as(ReadingsAcquired(readings.take(slice(9, 10))))
    assert (letter.origin, letter.agent, letter.time) == (INPUT, TASK, int(readings.time[9]))


async def test_poison_does_not_spoil_the_state_after_a_restart() -> None:
    bus = await filled(plant(100, poison=(50,)))
    before = await worked_off(bus)
    letters = await of_type(bus, DeadLettered)
    after = lane(bus, token=2)
    await after.open()
    assert dump(after.state) == dump(before.state)
    assert await of_type(bus, DeadLettered) == letters


async def test_two_poison_events_of_one_moment_are_two_dead_letters() -> None:
    class Choking(Counter):
        def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
            raise ValueError("no ticks")

    bus = MemoryBus(1)
    ticks = [ClockTicked.of(cause="c", time=5, asset=asset) for asset in ("a", "b")]
    await bus.append(PLACE, list(encode(ticks, "w")))
    found = Lane(home(bus, clock=Hands().clock), Choking(), TASK, PLACE, 1)
    await found.open()
    await found.step_or_bury(await news(bus, found))
    letters = await of_type(bus, DeadLettered)
    assert len(letters) == 2
    assert letters[0].id != letters[1].id


# ---------------------------------------------------------------- unreadable entries


async def parked(frame: Frame) -> tuple[MemoryBus, Lane]:
    """A lane that met ``frame`` between two good entries."""
    bus = MemoryBus(1)
    first, second = plant(40).cut(20)
    (a,), (b,) = encode([ReadingsAcquired(first)], "w"), encode([ReadingsAcquired(second)], "w")
    await bus.append(PLACE, [a, frame, b])
    return bus, await worked_off(bus)


def from_the_future() -> Frame:
    (frame,) = encode([ClockTicked.of(cause="c", time=5, asset="a")], "w")
    return replace(frame, version=99).sealed()


async def test_frame_from_the_future_is_parked_and_the_others_flow() -> None:
    future = from_the_future()
    bus, found = await parked(future)
    (letter,) = await of_type(bus, DeadLettered)
    assert "FutureVersion" in letter.reason
    assert {key.encode(): b64decode(value) for key, value in letter.frame.items()} == future.fields()
    assert letter.position == 21
    assert found.position == 41
    assert int(found.state.total[0]) == 40


async def test_corrupt_frame_is_parked_and_the_others_flow() -> None:
    bus, found = await parked(replace(from_the_future(), version=1))
    (letter,) = await of_type(bus, DeadLettered)
    assert "CorruptEvent" in letter.reason
    assert int(found.state.total[0]) == 40


async def test_parked_frame_stays_parked_after_a_restart() -> None:
    bus, before = await parked(from_the_future())
    after = lane(bus, token=2)
    await after.open()
    assert dump(after.state) == dump(before.state)
    assert len(await of_type(bus, DeadLettered)) == 1


async def test_large_frame_that_cannot_be_read_does_not_stop_the_lane() -> None:
    events = [ClockTicked.of(cause="c", time=5, asset="a", note="x" * 1_000_000)]
    (frame,) = encode(events, "w")
    bus, found = await parked(replace(frame, writer="somebody else"))
    assert found.position == 41
    assert len(await of_type(bus, DeadLettered)) == 1


# ---------------------------------------------------------------- refused commits


async def test_former_owner_writes_nothing_and_does_not_move() -> None:
    bus = await filled(plant(60))
    old = lane(bus)
    await old.open()
    await old.step(await news(bus, old, 1))
    told = await story(bus, "incidents")
    new = lane(bus, token=2)
    await new.open()
    with pytest.raises(Fenced):
        await old.step(await news(bus, old))
    assert await story(bus, "incidents") == told
    assert await bus.position(0, TASK) == "7"
    with pytest.raises(Fenced):
        await old.save_if_due(now=True)
    assert [snapshot.position for snapshot in await bus.snapshots(0, TASK)] == ["0"]
    with pytest.raises(Fenced):
        await old.open()


async def test_step_from_a_place_that_moved_is_refused() -> None:
    bus = await filled(plant(60))
    found = lane(bus)
    await found.open()
    await bus.commit(Commit(0, TASK, 1, "", "7"))
    with pytest.raises(PositionMoved):
        await found.step(await news(bus, found))
    assert found.position == 0
    assert await story(bus, "incidents") == []


async def test_other_events_of_the_stream_are_passed_over() -> None:
    bus = MemoryBus(1)
    incident = DataQualityIncident.of(
        cause="c", time=1, asset="a", kind="gap", state="open", detail="", since=1
    )  # fmt: skip
    (readings,) = encode([ReadingsAcquired(plant(5))], "w")
    await bus.append(PLACE, [*encode([incident], "w"), readings, *encode([incident], "w")])
    found = await worked_off(bus)
    assert (found.position, int(found.state.total[0])) == (7, 5)
