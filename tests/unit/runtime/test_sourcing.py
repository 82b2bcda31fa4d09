"""Sources: every reading into the log exactly once, whatever fails when."""

from collections.abc import AsyncIterator, Callable
from typing import ClassVar

import anyio
import pytest

from agents.parts import Harvest, Source
from agents.runtime.home import Home
from agents.runtime.sources.backpressure import Reader
from agents.runtime.sources.sourcing import SourceError, SourceRunner
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from contracts.errors import CommitRefused, PositionMoved, Unavailable
from contracts.events import LogRewound, ReadingsAcquired, SourceFailed
from contracts.frames import decode, encode
from contracts.readings import Readings
from tests.unit.runtime.counting import INPUT, Fragile, Shelf, acquired, events, feed, finished, home, of_type, plant

PARTITIONS = 4


def expected(count: int = 60, assets: int = 9) -> list[tuple[str, int, float]]:
    readings = plant(count, assets)
    return sorted(
        (readings.series[code].asset, row, float(readings.value[row]))
        for row, code in enumerate(readings.code.tolist())
    )


def runner(surroundings: Home, source: Source | None = None, readers: list[Reader] | None = None) -> SourceRunner:
    return SourceRunner(surroundings, "acquisition", "plant", source or Shelf(), readers or [])


async def until_done(bus: Fragile, source: Source | None = None) -> int:
    """Start the source again after each failure, as the supervisor does; returns how often it failed."""
    for failures in range(50):
        try:
            with anyio.fail_after(40):
                await runner(home(bus), source).run()
            return failures
        except Unavailable:
            continue
    raise AssertionError("it never came through")


async def in_order(bus: MemoryBus) -> bool:
    """Whether the readings of each partition stand in the order of the source."""
    for partition in range(bus.partitions):
        positions = [int(event.readings.position[0]) for event in await of_partition(bus, partition)]
        if positions != sorted(positions):
            return False
    return True


async def of_partition(bus: MemoryBus, partition: int) -> list[ReadingsAcquired]:
    return [event for event in await events(bus, INPUT, partition) if isinstance(event, ReadingsAcquired)]


async def commits_of_a_good_run() -> int:
    bus = Fragile(MemoryBus(PARTITIONS))
    assert await until_done(bus) == 0
    return bus.calls["commit"]


async def test_every_reading_is_in_the_log_once_in_order() -> None:
    bus = MemoryBus(PARTITIONS)
    done = runner(home(bus))
    await done.run()
    assert sorted(await acquired(bus)) == expected()
    assert await in_order(bus)
    assert (done.finished, done.readings, done.failure) == (True, 60, "")
    ends = await bus.ends([place(number) for number in range(PARTITIONS)])
    assert sum(1 for end in ends.values() if end) >= 3, "over several partitions"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_commit_loses_and_doubles_nothing(when: str) -> None:
    total = await commits_of_a_good_run()
    assert total >= 20
    for k in range(1, total + 1):
        inner = MemoryBus(PARTITIONS)
        bus = Fragile(inner, lambda verb, number, k=k: when if (verb, number) == ("commit", k) else "")  # type: ignore[misc] # a default that binds
        assert await until_done(bus) == 1, k
        assert sorted(await acquired(inner)) == expected(), k
        assert await in_order(inner), k
        (end,) = await finished(inner)
        assert end.readings == 60, k


async def test_a_line_that_fails_all_the_time_loses_and_doubles_nothing() -> None:
    inner = MemoryBus(PARTITIONS)
    bus = Fragile(inner, lambda verb, number: ("", "", "before", "", "after")[number % 5] if verb == "commit" else "")
    assert await until_done(bus) > 5
    assert sorted(await acquired(inner)) == expected()
    assert await in_order(inner)


async def test_finished_source_is_not_read_again() -> None:
    bus = MemoryBus(PARTITIONS)
    await runner(home(bus)).run()
    again = runner(home(bus), Shelf(count=90))
    await again.run()
    assert again.finished
    assert len(await acquired(bus)) == 60
    assert len(await finished(bus)) == 1


async def test_stopped_source_goes_on_where_it_was() -> None:
    class Stopping(Shelf):
        async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
            async for harvest in super().harvests(name, resume):
                if harvest.resume == "28":
                    first.stop.set()
                yield harvest

    bus = MemoryBus(PARTITIONS)
    first = home(bus)
    stopped = runner(first, Stopping())
    await stopped.run()
    assert not stopped.finished
    assert (len(await acquired(bus)), await finished(bus)) == (28, [])
    second = runner(home(bus, "two"))
    await second.run()
    assert second.readings == 60
    assert sorted(await acquired(bus)) == expected()


async def test_former_owner_cannot_add_readings() -> None:
    bus = MemoryBus(PARTITIONS)

    class Slow(Shelf):
        async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
            async for harvest in super().harvests(name, resume):
                if harvest.resume == "28":
                    sign = await bus.sign(old.center, old.task)
                    token = await bus.acquire(old.center, old.task, "two", seen=sign)
                    assert token is not None
                    for partition in range(PARTITIONS):
                        await bus.fence(partition, old.task, token)
                yield harvest

    old = runner(home(bus), Slow())
    with pytest.raises(CommitRefused):
        await old.run()
    assert len(await acquired(bus)) == 21


async def test_errors_of_commits_keep_their_class() -> None:
    """The supervisor tells a server that is away from a mistake by the class of the error."""
    bus = Fragile(MemoryBus(PARTITIONS), lambda verb, number: "before" if verb == "commit" else "")
    with pytest.raises(Unavailable, match="the line is dead"):
        await runner(home(bus)).run()


async def test_bad_source_with_an_end_is_given_up_with_an_event() -> None:
    bus = MemoryBus(PARTITIONS)
    failed = runner(home(bus), Shelf(breaks_at=28))
    await failed.run()
    assert failed.failure == "plant: OSError: the shelf is broken"
    (event,) = await of_type(bus, SourceFailed)
    assert (event.source, event.error) == ("plant", failed.failure)
    assert len(await acquired(bus)) == 28, "what was readable is in the log"
    assert not failed.finished
    mended = runner(home(bus), Shelf())
    await mended.run()
    assert sorted(await acquired(bus)) == expected()


async def test_bad_endless_source_is_tried_again_later() -> None:
    class Endless(Shelf):
        endless: ClassVar[bool] = True

    bus = MemoryBus(PARTITIONS)
    with pytest.raises(SourceError, match="the shelf is broken"):
        await runner(home(bus), Endless(breaks_at=28)).run()
    assert await of_type(bus, SourceFailed) == []


async def test_source_waits_for_readers_that_are_far_behind() -> None:
    ahead = MemoryBus(1)
    await feed(ahead, plant(100), 100, task="other")
    waiting = SourceRunner(home(ahead), "acquisition", "plant", Shelf(), [Reader("reader", INPUT)], most_lag=50)
    async with anyio.create_task_group() as group:
        group.start_soon(waiting.run)
        await anyio.sleep(0.2)
        held_up = (await ahead.ends([place(0)]))[place(0)]
        await ahead.commit(Commit(0, "reader", 1, "", "100"))
        with anyio.fail_after(40):
            while not waiting.finished:  # noqa: ASYNC110 - a plain flag of the runner
                await anyio.sleep(0.02)
    assert held_up == 107, "one harvest, then it looks how far the readers are"
    assert (await ahead.ends([place(0)]))[place(0)] == 160


def place(partition: int) -> Place:
    return Place(INPUT, partition)


# ---------------------------------------------------------------- push


class Pushed(Source):
    """Gets what others send: it cannot repeat anything, and confirms what is in the log."""

    requests: int = 6

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        begin = int(resume or 0)
        readings = plant(1000, 9)
        for number in range(self.requests):
            start = begin + number * 10
            yield Harvest(readings.take(slice(start, start + 10)), str(start + 10), settled=answer(start))


#: What the senders were told: position of the request, and the error or None.
ANSWERS: list[tuple[int, BaseException | None]] = []


def answer(start: int) -> Callable[[BaseException | None], None]:
    return lambda error: ANSWERS.append((start, error))


@pytest.fixture(autouse=True)
def _no_answers() -> None:
    ANSWERS.clear()


async def test_push_is_confirmed_when_it_is_in_the_log() -> None:
    bus = MemoryBus(PARTITIONS)
    await runner(home(bus), Pushed()).run()
    assert [(start, None) for start in range(0, 60, 10)] == ANSWERS
    assert sorted(await acquired(bus)) == [row for row in expected(1000) if row[1] < 60]


async def test_positions_of_a_push_are_reserved_before_its_readings_are_written() -> None:
    bus = Fragile(MemoryBus(PARTITIONS))
    await runner(home(bus), Pushed(requests=1)).run()
    assert bus.commits[0].task == "source:plant/resume"
    assert '"resume": "10"' in bus.commits[0].position
    assert {commit.task for commit in bus.commits[1:-1]} == {"source:plant"}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_confirmed_pushes_survive_a_crash_at_any_commit_and_no_position_is_used_twice(when: str) -> None:
    good = Fragile(MemoryBus(PARTITIONS))
    await runner(home(good), Pushed()).run()
    # The last one only says that the source came to its end.
    for k in range(1, good.calls["commit"]):
        ANSWERS.clear()
        inner = MemoryBus(PARTITIONS)
        bus = Fragile(inner, lambda verb, number, k=k: when if (verb, number) == ("commit", k) else "")  # type: ignore[misc] # a default that binds
        with pytest.raises(Unavailable):
            await runner(home(bus), Pushed()).run()
        first, (last, error) = ANSWERS[:-1], ANSWERS[-1]
        assert (last, len(first)) == (len(first) * 10, len(first)), "one answer for each request"
        assert [found for _, found in first] == [None] * len(first)
        assert type(error) is Unavailable, "and not a group of errors"
        await runner(home(bus), Pushed()).run()
        found = [position for _, position, _ in await acquired(inner)]
        assert len(found) == len(set(found)), k
        for start, refused in ANSWERS:
            assert refused or set(range(start, start + 10)) <= set(found), k


class Sender(Pushed):
    """Counts on from where its resume says, and what it gives does not come again."""

    repeats: ClassVar[bool] = False
    requests: int = 3


async def test_numbers_of_pushed_readings_are_not_given_again_when_the_mark_was_lost() -> None:
    """A failover of the mark's server alone: with old numbers, new readings would be taken for repeated ones."""
    bus = MemoryBus(PARTITIONS)
    first = runner(home(bus), Sender())
    await first.run()
    del bus._positions[first.center, f"{first.task}/resume"]
    for _ in range(2):
        await runner(home(bus), Sender()).run()
        bus._positions[first.center, f"{first.task}/resume"] = bus._positions[
            first.center, f"{first.task}/resume"
        ].replace('"finished": "1", ', "")
    found = [position for _, position, _ in await acquired(bus)]
    assert (len(found), len(set(found))) == (90, 90)
    assert [error for _, error in ANSWERS] == [None] * 9


async def test_source_goes_back_when_a_partition_lost_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own place is on another server, and ahead of what is left of the readings."""
    monkeypatch.setattr("agents.runtime.sources.sourcing._RESUME_S", 0.0)
    bus = MemoryBus(PARTITIONS)
    first = runner(home(bus))
    await first.run()
    lost = next(number for number in range(PARTITIONS) if number != first.center and bus._streams[place(number)])
    entries = bus._streams[place(lost)]
    del entries[len(entries) // 2 :]
    bus._positions[lost, first.task] = str(int(decode(entries[-1].frame(), entries[-1].last)[-1].readings.position[-1]))  # type: ignore[union-attr] # readings are all there is
    again = runner(home(bus))
    await again.run()
    assert sorted(await acquired(bus)) == expected()
    assert [event.partition for event in await of_type(bus, LogRewound)] == [lost]
    assert again.readings == 60


# ---------------------------------------------------------------- quiet sources


class Quiet(Source):
    """Gives one harvest, and then nothing for ever."""

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        if resume is None:
            yield Harvest(first_readings(), "10")
        await anyio.sleep_forever()


def first_readings() -> Readings:
    return plant(10, 9)


async def test_quiet_source_stops_when_everything_stops() -> None:
    bus = MemoryBus(PARTITIONS)
    center = runner(home(bus)).center
    for number in range(2):
        surroundings = home(bus)
        quiet = runner(surroundings, Quiet())
        with anyio.fail_after(40):
            async with anyio.create_task_group() as group:
                group.start_soon(quiet.run)
                await anyio.sleep(0.05)
                surroundings.stop.set()
        assert not quiet.finished, number
        assert len(await acquired(bus)) == 10
    assert await finished(bus) == []
    assert await bus.sign(center, "source:plant") == "", "the lease was given back"


async def test_source_that_was_stopped_before_its_first_harvest_begins_at_the_beginning() -> None:
    class Late(Shelf):
        async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
            resumes.append(resume)
            await anyio.sleep(60 if len(resumes) == 1 else 0)
            async for harvest in super().harvests(name, resume):
                yield harvest

    resumes: list[str | None] = []
    bus = MemoryBus(PARTITIONS)
    surroundings = home(bus)
    async with anyio.create_task_group() as group:
        group.start_soon(runner(surroundings, Late()).run)
        while not resumes:  # noqa: ASYNC110 - the source says so by a list
            await anyio.sleep(0.001)
        surroundings.stop.set()
    await runner(home(bus), Late()).run()
    assert resumes == [None, None]
    assert sorted(await acquired(bus)) == expected()


async def test_quiet_source_keeps_its_lease() -> None:
    bus = MemoryBus(PARTITIONS)
    first, second = home(bus, "one", lease_s=0.6), home(bus, "two", lease_s=0.6)
    quiet, standby = runner(first, Quiet()), runner(second, Quiet())
    async with anyio.create_task_group() as group:
        group.start_soon(quiet.run)
        await anyio.sleep(0.05)
        group.start_soon(standby.run)
        await anyio.sleep(1.8)
        sign = await bus.sign(quiet.center, quiet.task)
        first.stop.set()
        second.stop.set()
    assert sign.startswith("one ")


async def test_source_that_lost_its_lease_while_quiet_says_so() -> None:
    bus = MemoryBus(PARTITIONS)
    surroundings = home(bus, lease_s=0.3)
    quiet = runner(surroundings, Quiet())
    done: list[BaseException] = []

    async def run() -> None:
        try:
            await quiet.run()
        except PositionMoved as error:
            done.append(error)

    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await anyio.sleep(0.05)
            assert await bus.acquire(quiet.center, quiet.task, "two", seen=await bus.sign(quiet.center, quiet.task))
    assert "taken over" in str(done[0])


def test_frames_of_a_plant_are_the_same_every_time() -> None:
    """Guards the tests above: what they compare with must not move."""
    one, other = (list(encode([ReadingsAcquired(plant(20))], "w")) for _ in range(2))
    assert one == other
