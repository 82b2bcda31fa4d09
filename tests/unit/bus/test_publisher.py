"""Publishing one by one: in the log once, in batches, and every error reaches whoever waits."""

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from bus.publisher import MAX_WAITING, publishing
from contracts.errors import Fenced, TooLarge, Unavailable
from contracts.events import ClockTicked, NotificationSent
from contracts.frames import MAX_FRAME_BYTES
from tests.integration.bus.frames import everything, number

STREAM = NotificationSent.stream


class Shaky(MemoryBus):
    """A bus that fails in a planned way: before or after a commit was applied."""

    def __init__(self) -> None:
        super().__init__(1)
        self.commits: list[Commit] = []
        self.plan: list[str] = []
        self.gate: anyio.Event | None = None

    async def commit(self, commit: Commit) -> None:
        self.commits.append(commit)
        if self.gate is not None:
            await self.gate.wait()
        fate = self.plan.pop(0) if self.plan else "well"
        if fate == "lost":
            raise Unavailable("the request was lost")
        await super().commit(commit)
        if fate == "unheard":
            raise Unavailable("the reply was lost")


async def test_returns_when_the_event_is_in_the_log() -> None:
    bus = Shaky()
    async with publishing(bus, "me") as publisher:
        for value in range(3):
            await publisher.publish(0, number(value))
            assert await everything(bus, STREAM) == list(range(value + 1))


async def test_what_comes_during_a_commit_goes_together_into_the_next() -> None:
    bus = Shaky()
    bus.gate = anyio.Event()
    async with publishing(bus, "me") as publisher, anyio.create_task_group() as group:
        for value in range(100):
            group.start_soon(publisher.publish, 0, number(value))
        await until(lambda: len(bus.commits) == 1)
        first = sum(frame.count for _, frame in bus.commits[0].outputs)
        for value in range(100, 150):
            group.start_soon(publisher.publish, 0, number(value))
        await anyio.wait_all_tasks_blocked()
        assert len(bus.commits) == 1, "one on its way at a time"
        bus.gate.set()
    assert len(bus.commits) == 2
    assert sum(frame.count for _, frame in bus.commits[1].outputs) == 150 - first
    assert sorted(await everything(bus, STREAM)) == list(range(150))


@pytest.mark.parametrize("plan", [["lost"], ["unheard"], ["unheard", "unheard"], ["lost", "unheard", "lost"]])
async def test_batch_that_is_sent_again_is_in_the_log_once(plan: list[str]) -> None:
    bus = Shaky()
    async with publishing(bus, "me") as publisher:
        await publisher.publish(0, number(0))
        bus.plan = plan
        await publisher.publish(0, number(1))
        await publisher.publish(0, number(2))
    assert await everything(bus, STREAM) == [0, 1, 2]


async def test_next_life_goes_on_behind_the_last() -> None:
    bus = Shaky()
    for value in range(3):
        async with publishing(bus, "me") as publisher:
            await publisher.publish(0, number(value))
    assert await everything(bus, STREAM) == [0, 1, 2]


async def test_given_up_batch_cannot_be_mistaken_for_the_next() -> None:
    """It was applied, nobody heard; the next batch must not find its own position there and think that it was it."""
    bus = Shaky()
    async with publishing(bus, "me", patience_s=0.2) as publisher:
        bus.plan = ["unheard"] + ["lost"] * 100
        with pytest.raises(Unavailable, match="not published within"):
            await publisher.publish(0, number(1))
        bus.plan = []
        await publisher.publish(0, number(2))
    assert await everything(bus, STREAM) == [1, 2]


async def test_given_up_batch_that_arrives_late_is_shut_out() -> None:
    bus = Shaky()
    async with publishing(bus, "me", patience_s=0.2) as publisher:
        bus.plan = ["lost"] * 100
        with pytest.raises(Unavailable):
            await publisher.publish(0, number(1))
        (late, *_) = bus.commits
        bus.plan = []
        await publisher.publish(0, number(2))
        with pytest.raises(Fenced):
            await MemoryBus.commit(bus, late)
    assert await everything(bus, STREAM) == [2]


async def test_newer_publisher_of_the_name_shuts_the_older_out_for_good() -> None:
    bus = Shaky()
    async with publishing(bus, "me") as older, publishing(bus, "me") as newer:
        await older.publish(0, number(1))
        await newer.publish(0, number(2))
        for _ in range(2):
            with pytest.raises(Fenced):
                await older.publish(0, number(3))
        await newer.publish(0, number(4))
    assert await everything(bus, STREAM) == [1, 2, 4]


async def test_only_the_event_that_is_too_large_fails() -> None:
    bus = Shaky()
    errors: list[Exception] = []

    async def publish(event: NotificationSent) -> None:
        try:
            await publisher.publish(0, event)
        except TooLarge as error:
            errors.append(error)

    large = NotificationSent.of(cause="c", time=9, asset="a", subscriber="x" * MAX_FRAME_BYTES, key="k", attempt=1)
    async with publishing(bus, "me") as publisher, anyio.create_task_group() as group:
        for event in (number(1), large, number(2)):
            group.start_soon(publish, event)
    assert sorted(await everything(bus, STREAM)) == [1, 2]
    assert len(errors) == 1


async def test_events_of_several_streams_and_partitions() -> None:
    bus = MemoryBus(2)
    tick = ClockTicked.of(cause="c", time=7, asset="a")
    async with publishing(bus, "me") as publisher, anyio.create_task_group() as group:
        for partition in (0, 1):
            for event in (number(1), tick, number(2)):
                group.start_soon(publisher.publish, partition, event)
    for partition in (0, 1):
        assert sorted(await everything(bus, STREAM, partition)) == [1, 2]
        assert await everything(bus, tick.stream, partition) == [7]
    (entry, *_) = await bus.range(Place(STREAM, 0), 1, 1, count=1)
    assert entry.frame().writer == "me"


async def test_waiting_is_bounded() -> None:
    bus = Shaky()
    bus.gate = anyio.Event()
    async with publishing(bus, "me") as publisher, anyio.create_task_group() as group:
        for value in range(2 * MAX_WAITING + 500):
            group.start_soon(publisher.publish, 0, number(value))
        await until(lambda: len(bus.commits) == 1)
        await anyio.wait_all_tasks_blocked()
        assert len(publisher._outlets[0]._next.events) == MAX_WAITING
        bus.gate.set()
    sizes = [sum(frame.count for _, frame in commit.outputs) for commit in bus.commits]
    assert max(sizes) <= MAX_WAITING
    assert sorted(await everything(bus, STREAM)) == list(range(2 * MAX_WAITING + 500))


async def test_end_publishes_what_waits_and_takes_nothing_more() -> None:
    bus = Shaky()
    bus.gate = anyio.Event()
    async with anyio.create_task_group() as group, publishing(bus, "me") as publisher:
        for value in range(10):
            group.start_soon(publisher.publish, 0, number(value))
        await until(lambda: len(bus.commits) == 1)
        for value in range(10, 20):
            group.start_soon(publisher.publish, 0, number(value))
        await anyio.wait_all_tasks_blocked()
        bus.gate.set()
    assert sorted(await everything(bus, STREAM)) == list(range(20))
    for partition in (0, 1):
        with pytest.raises(Unavailable, match="was closed"):
            await publisher.publish(partition, number(99))


async def test_nobody_waits_for_ever_on_a_publisher_that_was_cancelled() -> None:
    bus = Shaky()
    bus.gate = anyio.Event()
    errors: list[Any] = []

    async def publish(value: int) -> None:
        with pytest.raises(Unavailable) as caught:
            await publisher.publish(0, number(value))
        errors.append(caught.value)

    with anyio.fail_after(40):
        async with anyio.create_task_group() as waiting:
            with anyio.CancelScope() as scope:
                async with publishing(bus, "me") as publisher:
                    waiting.start_soon(publish, 1)
                    await until(lambda: len(bus.commits) == 1)
                    waiting.start_soon(publish, 2)
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()
    assert len(errors) == 2


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(40):
        while not condition():
            await anyio.lowlevel.checkpoint()
