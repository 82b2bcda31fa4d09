"""Recovery compares: a processor that gives something else the second time is stopped, one that is pure never is."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from agents.parts import Processor
from agents.runtime.lanes.comparison import Comparison
from agents.runtime.lanes.lane import Lane
from agents.state import dump
from bus.memory import MemoryBus
from bus.protocol import Commit, Place, Snapshot
from contracts.errors import Diverged
from contracts.events import AnyEvent, DataQualityIncident, DeadLettered, ReadingsAccepted, ReadingsAcquired
from contracts.frames import encode
from contracts.readings import Readings
from tests.unit.runtime.counting import INPUT, Counter, Counts, Hands, Passing, feed, home, of_type, plant, story

PLACE = Place(INPUT, 0)


class Guessing(Counter):
    """Says something else in every life, as one that uses randomness, a clock or the order of a set."""

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        for found in super().handle(event, state):
            yield found.model_copy(update={"detail": str(random.random())})


class Forgetful(Counter):
    """Leaves out what it has said once: memory outside the state."""

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        yield from (found for found in super().handle(event, state) if found.id not in _SAID)


class Talkative(Counter):
    """Says more the second time."""

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        for found in super().handle(event, state):
            yield found
            if found.id in _SAID:
                yield found.model_copy(update={"id": f"{found.id}-again"})


class Noisy(Passing):
    """Passes readings on with another last bit each time."""

    def handle(self, event: ReadingsAcquired, state: Counts) -> Iterator[ReadingsAccepted]:
        for found in super().handle(event, state):
            value = found.readings.value.copy()
            value[-1] += random.random()
            yield ReadingsAccepted(_valued(found.readings, value))


_SAID: set[str] = set()


def _valued(readings: Readings, value: Any) -> Readings:
    from dataclasses import replace

    return replace(readings, value=value)


def lane(bus: MemoryBus, processor: Processor[Any, Any, Any], token: int) -> Lane:
    return Lane(home(bus, clock=Hands().clock), processor, f"counter<{INPUT}", PLACE, token)


async def lived(bus: MemoryBus, processor: Processor[Any, Any, Any], *, entries: int = 3) -> Lane:
    """A life that reads everything, some entries at a time, and dies without saving."""
    found = lane(bus, processor, 1)
    await found.open()
    while news := (await bus.read({PLACE: found.position}, count=entries)).get(PLACE):
        await found.step_or_bury(news)
    return found


@pytest.mark.parametrize("kind", [Guessing, Forgetful, Talkative, Noisy])
async def test_processor_that_is_not_deterministic_is_stopped_and_named(kind: Any) -> None:
    bus = MemoryBus(1)
    _SAID.clear()
    await feed(bus, plant(60), 7)
    await lived(bus, kind())
    _SAID.update(event.id for event in await of_type(bus, DataQualityIncident))
    before = await story(bus, "incidents", "readings.accepted")
    with pytest.raises(Diverged) as caught:
        await lane(bus, kind(), 2).open()
    text = str(caught.value)
    assert "counter<readings.acquired on partition 0" in text
    assert "computed again from readings.acquired 1-60" in text
    assert "recorded was" in text
    assert "look for a clock" in text
    assert await story(bus, "incidents", "readings.accepted") == before, "nothing is written a second time"
    assert await bus.position(0, f"counter<{INPUT}") == "60"


async def test_the_first_differing_event_is_named_with_both_values() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(60), 7)
    await lived(bus, Guessing())
    first = (await of_type(bus, DataQualityIncident))[0]
    with pytest.raises(Diverged) as caught:
        await lane(bus, Guessing(), 2).open()
    assert f"DataQualityIncident {first.id}" in str(caught.value)
    assert f"detail={first.detail!r}" in str(caught.value)


async def test_without_the_comparison_a_second_truth_would_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: what the tests above see is the comparison, and nothing else."""

    async def see_nothing(self: Comparison, computed: Sequence[AnyEvent], where: str) -> None:
        """Leave it."""

    async def end(self: Comparison, where: str) -> None:
        """Leave it, too."""

    monkeypatch.setattr(Comparison, "check", see_nothing)
    monkeypatch.setattr(Comparison, "finish", end)
    bus = MemoryBus(1)
    await feed(bus, plant(60), 7)
    await lived(bus, Guessing())
    await lane(bus, Guessing(), 2).open()


@pytest.mark.parametrize("kind", [Counter, Passing])
@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize("entries", [1, 5, 1000])
async def test_pure_processor_is_never_stopped_however_anything_was_cut(kind: Any, cut: int, entries: int) -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(100), cut)
    before = await lived(bus, kind(), entries=entries)
    after = lane(bus, kind(), 2)
    await after.open()
    assert dump(after.state) == dump(before.state)


async def test_other_writers_of_the_same_stream_are_left_out() -> None:
    bus = MemoryBus(1)
    readings = plant(100)
    await feed(bus, readings, 7)
    found = lane(bus, Counter(), 1)
    await found.open()
    while news := (await bus.read({PLACE: found.position}, count=2)).get(PLACE):
        await strange(bus)
        await found.step_or_bury(news)
        if found.position == 42:
            await found.save_if_due(now=True)
            await strange(bus)
    await strange(bus)
    after = lane(bus, Counter(), 2)
    await after.open()
    assert dump(after.state) == dump(found.state)


async def strange(bus: MemoryBus) -> None:
    """Somebody else says something in the counter's output stream."""
    incident = DataQualityIncident.of(cause="c", time=1, asset="a", kind="gap", state="open", detail="", since=1)
    await bus.append(Place("incidents", 0), list(encode([incident], "somebody else")))


@pytest.mark.parametrize("poison", [(50,), (0, 99), (49, 50), (3, 30, 77)])
@pytest.mark.parametrize("saved", [0, 2, 9])
async def test_dead_letters_are_passed_over_and_raise_no_alarm(poison: tuple[int, ...], saved: int) -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(100, poison=poison), 7)
    found = lane(bus, Counter(), 1)
    await found.open()
    steps = 0
    while news := (await bus.read({PLACE: found.position}, count=1)).get(PLACE):
        await found.step_or_bury(news)
        steps += 1
        if steps == saved:
            await found.save_if_due(now=True)
    letters = await of_type(bus, DeadLettered)
    after = lane(bus, Counter(), 2)
    await after.open()
    assert dump(after.state) == dump(found.state)
    assert await of_type(bus, DeadLettered) == letters


async def test_event_that_raised_once_stays_buried_though_it_would_not_raise_again() -> None:
    """What was a dead letter by bad luck then is one for ever, or the state is not the one that went on."""
    bus = MemoryBus(1)
    luck = {"bad": True}

    class Unlucky(Counter):
        def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
            if luck["bad"] and 30 in event.readings.position.tolist():
                raise OSError("bad luck")
            yield from super().handle(event, state)

    await feed(bus, plant(60), 7)
    found = await lived(bus, Unlucky())
    (letter,) = await of_type(bus, DeadLettered)
    assert (letter.position, letter.events) == (31, 1)
    luck["bad"] = False
    after = lane(bus, Unlucky(), 2)
    await after.open()
    assert dump(after.state) == dump(found.state)


async def test_processor_that_now_raises_on_what_it_handled_is_stopped() -> None:
    bus = MemoryBus(1)
    broken: list[bool] = []

    class Breaking(Counter):
        def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
            if broken:
                raise OSError("no more")
            yield from super().handle(event, state)

    await feed(bus, plant(60), 7)
    await lived(bus, Breaking())
    broken.append(True)
    with pytest.raises(Diverged, match="raised on an event behind 0 that it had handled before"):
        await lane(bus, Breaking(), 2).open()


# ---------------------------------------------------------------- makers


async def test_other_configuration_may_give_other_outputs() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(60), 7)
    await lived(bus, Counter(every=5))
    after = lane(bus, Counter(every=4), 2)
    await after.open()
    assert after.position == 60
    assert [snapshot.position for snapshot in await bus.snapshots(0, f"counter<{INPUT}")] == ["60", "0"]
    await lane(bus, Counter(every=4), 3).open()


async def test_snapshot_before_the_first_event_makes_the_first_recovery_compare() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(60), 7)
    await lived(bus, Guessing())
    assert [snapshot.position for snapshot in await bus.snapshots(0, f"counter<{INPUT}")] == ["0"]
    bus._snapshots.clear()
    await lane(bus, Guessing(), 2).open()


async def test_outputs_that_are_not_in_the_log_any_more_are_not_compared() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(100), 7)
    before = await lived(bus, Counter())
    del bus._streams[Place("incidents", 0)][:2]
    after = lane(bus, Counter(), 2)
    await after.open()
    assert dump(after.state) == dump(before.state)


async def test_state_is_saved_again_after_a_long_time_so_that_nothing_is_kept_for_it() -> None:
    bus, hands = MemoryBus(1), Hands()
    await feed(bus, plant(20), 7)
    found = Lane(home(bus, clock=hands.clock), Counter(), f"counter<{INPUT}", PLACE, 1)
    await found.open()
    await found.step((await bus.read({PLACE: 0}, count=100))[PLACE])
    await found.save_if_due(now=True)
    await strange(bus)
    for passed, ends in ((60, {3}), (600, {3, 4})):
        hands.now_s += passed
        await found.save_if_due()
        kept = [snapshot for snapshot in await bus.snapshots(0, f"counter<{INPUT}") if snapshot.position == "20"]
        assert {snapshot.ends["incidents"] for snapshot in kept} == ends


async def test_gap_that_was_met_live_is_passed_over_by_a_recovery_that_begins_before_it() -> None:
    bus = MemoryBus(1)
    await feed(bus, plant(40), 7)
    del bus._streams[PLACE][2:4]
    before = lane(bus, Counter(), 1)
    await before.open()

    async def no_save(*args: object) -> None:
        """The process dies before it can save."""

    bus.save, kept = no_save, bus.save  # type: ignore[method-assign, assignment] # a kill between two calls
    await before.step((await bus.read({PLACE: 0}, count=100))[PLACE])
    bus.save = kept  # type: ignore[method-assign] # back
    after = lane(bus, Counter(), 2)
    await after.open()
    assert (after.position, dump(after.state)) == (40, dump(before.state))


async def test_commit_of_something_else_behind_our_back_is_found() -> None:
    """An output of ours that no input explains: written by a former owner that nothing had fenced off."""
    bus = MemoryBus(1)
    await feed(bus, plant(20), 7)
    await lived(bus, Counter())
    extra = DataQualityIncident.of(cause="c", time=1, asset="a", kind="gap", state="open", detail="", since=1)
    frames = [("incidents", frame) for frame in encode([extra], f"counter<{INPUT}")]
    await bus.commit(Commit(0, "smuggler", 1, "", "1", frames))
    with pytest.raises(Diverged, match="now it is nothing more"):
        await lane(bus, Counter(), 2).open()


def test_snapshots_without_a_maker_are_still_snapshots() -> None:
    assert Snapshot("1", b"x").maker == ""
