"""Commit: outputs and position together or not at all, once, and never by a former owner."""

import numpy as np
import pytest

from bus.protocol import Bus, Commit, Place
from contracts.errors import CommitRefused, Fenced, PositionMoved
from contracts.events import ReadingsAcquired
from contracts.frames import decode, encode
from contracts.readings import Readings, Series
from tests.integration.bus.frames import STREAM, TASK, everything, frame, step


async def test_commit_appends_and_moves_the_position(bus: Bus) -> None:
    await bus.commit(step(1, "", "7", 1, 2))
    assert await everything(bus) == [1, 2]
    assert await bus.position(0, TASK) == "7"


async def test_commit_without_outputs_moves_the_position(bus: Bus) -> None:
    await bus.commit(step(1, "", "7"))
    assert await bus.position(0, TASK) == "7"
    assert await everything(bus) == []


async def test_commit_writes_to_several_streams(bus: Bus) -> None:
    await bus.commit(Commit(0, TASK, 1, "", "1", [("odd", frame(1)), ("even", frame(2)), ("odd", frame(3, 5))]))
    assert await everything(bus, "odd") == [1, 3, 5]
    assert await everything(bus, "even") == [2]
    assert await bus.ends([Place("odd", 0), Place("even", 0)]) == {Place("odd", 0): 3, Place("even", 0): 1}


async def test_same_commit_twice_is_applied_once(bus: Bus) -> None:
    for _ in range(2):
        await bus.commit(step(1, "", "1", 1))
    assert await everything(bus) == [1]


async def test_same_commit_twice_is_applied_once_without_outputs_of_the_first(bus: Bus) -> None:
    await bus.commit(step(1, "", "1", 1))
    await bus.commit(step(1, "1", "2", 2))
    await bus.commit(step(1, "1", "2", 2))
    assert await everything(bus) == [1, 2]


async def test_commit_from_another_position_is_refused_and_changes_nothing(bus: Bus) -> None:
    await bus.commit(step(1, "", "5", 1))
    with pytest.raises(PositionMoved, match="stands at 5, not at 3") as caught:
        await bus.commit(step(1, "3", "9", 2))
    assert caught.value.found == "5"
    assert await everything(bus) == [1]
    assert await bus.position(0, TASK) == "5"


async def test_commit_from_the_beginning_is_refused_later(bus: Bus) -> None:
    await bus.commit(step(1, "", "5", 1))
    with pytest.raises(PositionMoved, match="not at the beginning"):
        await bus.commit(step(1, "", "9", 2))


async def test_commit_on_nothing_is_refused(bus: Bus) -> None:
    with pytest.raises(PositionMoved, match="stands at the beginning"):
        await bus.commit(step(1, "3", "9", 2))
    assert await everything(bus) == []


async def test_late_commit_is_refused_after_newer_ones(bus: Bus) -> None:
    """It was delayed in the network; the token alone would let it through."""
    late = step(1, "", "1", 1)
    await bus.commit(late)
    await bus.commit(step(1, "1", "2", 2))
    with pytest.raises(PositionMoved):
        await bus.commit(late)
    assert await everything(bus) == [1, 2]
    assert await bus.position(0, TASK) == "2"


async def test_commit_of_a_former_owner_is_fenced(bus: Bus) -> None:
    await bus.commit(step(1, "", "1", 1))
    assert await bus.fence(0, TASK, 2) == "1"
    with pytest.raises(Fenced, match="token 1 was fenced off by 2"):
        await bus.commit(step(1, "1", "2", 2))
    assert await everything(bus) == [1]
    assert await bus.position(0, TASK) == "1"


async def test_repeated_commit_of_a_former_owner_is_fenced_too(bus: Bus) -> None:
    await bus.commit(step(1, "", "1", 1))
    await bus.fence(0, TASK, 2)
    with pytest.raises(Fenced):
        await bus.commit(step(1, "", "1", 1))


async def test_commit_with_a_newer_token_fences_the_older(bus: Bus) -> None:
    await bus.commit(step(5, "", "1", 1))
    with pytest.raises(Fenced):
        await bus.commit(step(4, "1", "2", 2))
    await bus.commit(step(5, "1", "2", 3))
    assert await everything(bus) == [1, 3]


async def test_tokens_are_compared_as_numbers(bus: Bus) -> None:
    await bus.fence(0, TASK, 9)
    await bus.commit(step(10, "", "1", 1))
    with pytest.raises(Fenced):
        await bus.fence(0, TASK, 9)


async def test_new_lease_fences_the_former_owner(bus: Bus) -> None:
    first = await bus.acquire(0, TASK, "one", seen=None)
    assert first is not None
    await bus.commit(step(first, "", "1", 1))
    second = await bus.acquire(0, TASK, "two", seen=await bus.sign(0, TASK))
    assert second is not None
    with pytest.raises(Fenced):
        await bus.commit(step(first, "1", "2", 2))
    await bus.commit(step(second, "1", "2", 3))
    assert await everything(bus) == [1, 3]


async def test_fence_of_an_older_token_is_refused(bus: Bus) -> None:
    await bus.fence(0, TASK, 2)
    with pytest.raises(CommitRefused):
        await bus.fence(0, TASK, 1)
    assert await bus.fence(0, TASK, 2) == ""


async def test_tasks_and_partitions_do_not_fence_each_other(bus: Bus) -> None:
    await bus.fence(0, TASK, 9)
    await bus.commit(step(1, "", "1", 1, task="other"))
    await bus.commit(step(1, "", "1", 2, partition=1))
    assert (await everything(bus), await everything(bus, partition=1)) == ([1], [2])


async def test_positions_lists_every_task_of_a_partition(bus: Bus) -> None:
    await bus.commit(step(1, "", "3", 1))
    await bus.commit(step(1, "", '{"resume": "x"}', task="source:a/resume"))
    await bus.commit(step(1, "", "8", task="elsewhere", partition=1))
    assert await bus.positions(0) == {TASK: "3", "source:a/resume": '{"resume": "x"}'}
    assert await bus.position(0, "elsewhere") == ""


async def test_commit_keeps_columns(bus: Bus) -> None:
    values = np.array([1.5, np.nan, -0.0])
    readings = Readings.of(
        [Series("s", "a", "c")], np.zeros(3, np.int32), np.arange(3, dtype=np.int64), values, np.arange(3)
    )
    (out,) = encode([ReadingsAcquired(readings)], "w")
    await bus.commit(Commit(0, TASK, 1, "", "1", [(STREAM, out)]))
    (entry,) = await bus.range(Place(STREAM, 0), 1, 3, count=10)
    (event,) = decode(entry.frame(), entry.last)
    assert isinstance(event, ReadingsAcquired)
    assert event.same_as(ReadingsAcquired(readings))
    assert (event.readings.first, event.readings.last) == (1, 3)


async def test_append_keeps_columns(bus: Bus) -> None:
    readings = Readings.of(
        [Series("s", "a", "c")], np.zeros(2, np.int32), np.arange(2, dtype=np.int64), np.ones(2), np.arange(2)
    )
    await bus.append(Place(STREAM, 0), list(encode([ReadingsAcquired(readings)], "w")))
    (entry,) = await bus.range(Place(STREAM, 0), 1, 2, count=10)
    (event,) = decode(entry.frame(), entry.last)
    assert isinstance(event, ReadingsAcquired)
    assert event.same_as(ReadingsAcquired(readings))
