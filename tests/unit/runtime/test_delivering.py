"""Deliveries: how many at once, how long, how often, and that no destination is in the way of another."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

import anyio
import pytest
from pydantic import PrivateAttr

from agents.parts import Sink
from agents.runtime.home import Home
from agents.runtime.sinks.parcels import CRASH
from agents.runtime.sinks.sinking import SinkRunner
from bus.memory import MemoryBus
from bus.protocol import Entry, Place
from contracts.errors import Refused, RetryLater
from contracts.events import DeadLettered, NotificationDue, NotificationFailed, NotificationSent
from contracts.frames import encode
from tests.unit.runtime.counting import Fragile, home, of_type
from tests.unit.runtime.test_sinking import PLACE, STREAM, due, posted, until

Act = Callable[[str, int], Awaitable[None]]


async def nothing(subject: str, tries: int) -> None:
    """A receiver that takes everything."""


class Courier(Sink[NotificationDue]):
    """Does what a test says; the first word of a subject is its destination where there are two words."""

    # In a list: pydantic would make a method of it.
    _acts: list[Act] = PrivateAttr(default_factory=list)
    _begun: list[tuple[str, float]] = PrivateAttr(default_factory=list)
    _now: Counter[str] = PrivateAttr(default_factory=Counter)
    _most: Counter[str] = PrivateAttr(default_factory=Counter)

    def destination(self, event: NotificationDue) -> str:
        name, _, rest = event.subject.partition(" ")
        return name if rest else ""

    async def deliver(self, event: NotificationDue) -> None:
        self._begun.append((event.subject, time.monotonic()))
        for name in (self.destination(event), "all"):
            self._now[name] += 1
            self._most[name] = max(self._most[name], self._now[name])
        try:
            await self._acts[0](event.subject, self.tries(event.subject))
        finally:
            self._now.subtract([self.destination(event), "all"])

    def tries(self, subject: str) -> int:
        return [begun for begun, _ in self._begun].count(subject)

    def at(self, subject: str) -> list[float]:
        return [when for begun, when in self._begun if begun == subject]


class Alone(Courier):
    """One at a time."""

    concurrency: ClassVar[int] = 1


def courier(act: Act = nothing, kind: type[Courier] = Courier) -> Courier:
    made = kind()
    made._acts.append(act)
    return made


async def run(surroundings: Home, sink: Sink[Any], done: Callable[[], Awaitable[Any]]) -> SinkRunner:
    runner = SinkRunner(surroundings, "courier", sink, [STREAM])
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await until(done)
        surroundings.stop.set()
    return runner


def settled(bus: Any) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return bool(await bus.settled("courier", [PLACE]) == await bus.ends([PLACE]))

    return check


def receipts(bus: Any, count: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(await of_type(bus, NotificationSent)) >= count

    return check


async def briefly(subject: str, tries: int) -> None:
    await anyio.sleep(0.01)


@pytest.mark.parametrize(("kind", "most"), [(Courier, 8), (Alone, 1)])
async def test_so_many_deliveries_at_once_and_no_more(kind: type[Courier], most: int) -> None:
    bus, sink = MemoryBus(1), courier(briefly, kind)
    await posted(bus, *map(str, range(30)), together=True)
    await run(home(bus), sink, settled(bus))
    assert sink._most["all"] == most
    assert len(sink._begun) == 30


async def test_alone_they_come_in_order() -> None:
    bus, sink = MemoryBus(1), courier(briefly, Alone)
    await posted(bus, *map(str, range(20)))
    await run(home(bus), sink, settled(bus))
    assert [subject for subject, _ in sink._begun] == [str(number) for number in range(20)]


async def test_one_destination_takes_one_after_the_other() -> None:
    bus, sink = MemoryBus(1), courier(briefly)
    await posted(bus, *(f"{name} {number}" for number in range(8) for name in ("left", "right")))
    await run(home(bus), sink, settled(bus))
    assert (sink._most["left"], sink._most["right"], sink._most["all"]) == (1, 1, 2)
    assert [subject for subject, _ in sink._begun if subject[0] == "l"] == [f"left {number}" for number in range(8)]


async def test_delivery_that_takes_too_long_is_cut_off_and_its_letter_says_where() -> None:
    async def hang(subject: str, tries: int) -> None:
        await anyio.sleep_forever()

    bus, sink = MemoryBus(1), courier(hang)
    await posted(bus, "a")
    await run(home(bus, delivery_s=0.05, tries=2), sink, settled(bus))
    assert len(sink._begun) == 2
    (letter,) = await of_type(bus, DeadLettered)
    assert letter.reason == "TimeoutError: not done within 0.05 s"
    assert "sleep_forever" in letter.trace, "the stack shows what it was waiting for"


async def test_what_is_refused_is_not_tried_again() -> None:
    async def refuse(subject: str, tries: int) -> None:
        raise Refused("no such address")

    bus, sink = MemoryBus(1), courier(refuse)
    await posted(bus, "a")
    await run(home(bus, tries=9), sink, settled(bus))
    assert len(sink._begun) == 1
    (failed,) = await of_type(bus, NotificationFailed)
    (letter,) = await of_type(bus, DeadLettered)
    assert (failed.error, letter.tries) == ("Refused: no such address", 1)


async def test_receiver_that_asks_for_a_pause_gets_it_for_all_its_events() -> None:
    async def later(subject: str, tries: int) -> None:
        if subject == "busy 1" and tries == 1:
            raise RetryLater("429", 0.4)

    bus, sink = MemoryBus(1), courier(later)
    await posted(bus, "busy 1", "busy 2", "other 1")
    await run(home(bus), sink, settled(bus))
    (first, second), (behind,), (other,) = sink.at("busy 1"), sink.at("busy 2"), sink.at("other 1")
    assert second - first >= 0.4
    assert behind - first >= 0.4
    assert other < second, "it is nobody else's pause"


async def test_destination_that_fails_is_tried_less_and_less_often_whatever_waits_for_it() -> None:
    async def down(subject: str, tries: int) -> None:
        if subject.startswith("down"):
            raise OSError("no route")

    bus, sink = MemoryBus(1), courier(down)
    await posted(bus, *(f"down {number}" for number in range(40)), *(f"up {number}" for number in range(40)))
    await run(home(bus, backoff_s=1.0, backoff_max_s=60), sink, receipts(bus, 40))
    assert sum(subject.startswith("down") for subject, _ in sink._begun) <= 3


async def test_failing_destinations_leave_half_of_the_slots_to_the_others() -> None:
    async def hang(subject: str, tries: int) -> None:
        if subject.startswith("bad"):
            # Once for a moment; after that until the end.
            await (anyio.sleep(0.1) if subject not in failed else let_go.wait())
            failed.add(subject)
            raise OSError("hung up")

    failed, let_go = set[str](), anyio.Event()

    bus, sink = MemoryBus(1), courier(hang)
    await posted(bus, *(f"bad{number} x" for number in range(12)))
    surroundings = home(bus, tries=50)
    runner = SinkRunner(surroundings, "courier", sink, [STREAM])
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)

        async def all_failed_once() -> bool:
            return len(failed) == 12 and len(sink._begun) > 14

        await until(all_failed_once)
        await posted(bus, "good x")
        await until(receipts(bus, 1))
        let_go.set()
        surroundings.stop.set()


async def test_events_beyond_what_a_jammed_destination_may_hold_stay_on_the_server_and_come_when_it_works() -> None:
    works = anyio.Event()

    async def jam(subject: str, tries: int) -> None:
        if subject.startswith("jam"):
            await works.wait()

    bus, sink = MemoryBus(1), courier(jam)
    await posted(bus, *(f"jam {number}" for number in range(300)), "other 1")
    surroundings = home(bus)
    runner = SinkRunner(surroundings, "courier", sink, [STREAM])
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await until(receipts(bus, 1))
        assert len(runner._parking) > 100
        assert len(runner._open) < 200
        works.set()
        await until(settled(bus))
        surroundings.stop.set()
    assert len(runner._parking) == 0
    assert Counter(subject for subject, _ in sink._begun) == Counter(
        ["other 1", *(f"jam {number}" for number in range(300))]
    )


# ---------------------------------------------------------------- lives that ended


async def given(bus: MemoryBus, number: int, owner: str = "one") -> None:
    """An entry as an earlier life left it, with the number that the server keeps for it."""
    await bus.subscribe("courier", [PLACE])
    for delivery in await bus.fetch("courier", owner, [PLACE], count=10):
        await bus.touch("courier", owner, PLACE, [delivery.entry], tries=number)


@pytest.mark.parametrize(("crashes", "tried"), [(1, 1), (2, 0)])
async def test_delivery_that_ended_the_process_too_often_is_buried_without_another_try(
    crashes: int, tried: int
) -> None:
    bus, sink = MemoryBus(1), courier()
    await posted(bus, "a")
    await given(bus, crashes * CRASH + 2)
    await run(home(bus), sink, settled(bus))
    assert len(sink._begun) == tried
    assert len(await of_type(bus, DeadLettered)) == 1 - tried


async def test_failure_that_is_survived_is_no_crash() -> None:
    async def fail(subject: str, tries: int) -> None:
        if tries == 1:
            raise OSError("not now")

    bus, sink = MemoryBus(1), courier(fail)
    await posted(bus, "a")
    await given(bus, CRASH + 2)
    surroundings = home(bus, backoff_s=30, backoff_max_s=30)

    async def noted() -> bool:
        return [held[1] for held in bus._groups["courier", PLACE].pending.values()] == [3]

    await run(surroundings, sink, noted)


async def test_of_those_that_may_end_a_process_one_is_tried_at_a_time() -> None:
    bus, sink = MemoryBus(1), courier(briefly)
    await posted(bus, *map(str, range(10)))
    await given(bus, CRASH + 1)
    await run(home(bus), sink, settled(bus))
    assert (sink._most["all"], len(sink._begun)) == (1, 10)


async def test_tries_are_counted_over_lives() -> None:
    async def fail(subject: str, tries: int) -> None:
        raise OSError("never")

    bus, sink = MemoryBus(1), courier(fail)
    await posted(bus, "a")
    await given(bus, 3)
    await run(home(bus, tries=5), sink, settled(bus))
    assert len(sink._begun) == 2


async def test_server_that_is_away_for_a_while_cuts_off_no_delivery() -> None:
    """The loop fails again and again; what is under way comes to its end, and is delivered once."""
    gone = True

    async def slowly(subject: str, tries: int) -> None:
        nonlocal gone
        await anyio.sleep(0.3)
        gone = False

    inner = MemoryBus(1)
    bus = Fragile(inner, lambda verb, number: "before" if gone and verb == "settle" else "")
    sink = courier(slowly)
    await posted(inner, "a")
    fetch = bus.fetch

    async def failing(*args: Any, **named: Any) -> Any:
        from contracts.errors import Unavailable

        if gone and sink._begun:
            raise Unavailable("the server is away")
        return await fetch(*args, **named)

    bus.fetch = failing  # type: ignore[attr-defined] # a bus that fails
    await run(home(bus), sink, settled(inner))
    assert len(sink._begun) == 1


# ---------------------------------------------------------------- the archive gives back


class Kept:
    """A history that has entries which the log has not."""

    partitions = 1

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        return [entry for entry in self.entries if entry.last >= first and entry.first <= last]


async def test_removed_entries_come_from_the_archive() -> None:
    bus, sink = MemoryBus(1), courier()
    await posted(bus, "a", "b", "c", "d")
    kept = Kept(await bus.range(PLACE, 1, 4, count=9))
    await bus.subscribe("courier", [PLACE])
    (pending,) = await bus.fetch("courier", "one", [PLACE], count=1)
    rows = bus._streams[PLACE]
    rows[0] = Entry(pending.entry.last, pending.entry.count, {})
    del rows[1:3]
    surroundings = Home(bus, "one", home(bus).settings, history=kept)  # type: ignore[arg-type] # as much as is needed

    async def done() -> bool:
        return len(sink._begun) == 4

    await run(surroundings, sink, done)
    assert sorted(subject for subject, _ in sink._begun) == ["a", "b", "c", "d"]
    assert {due(subject).id for subject in "abcd"} == {
        receipt.cause for receipt in await of_type(bus, NotificationSent)
    }


def test_frame_of_a_letter_is_the_frame_that_was_written() -> None:
    from agents.letters import boxed, unboxed

    (frame,) = encode([due("a")], "w")
    assert unboxed(boxed(frame.fields())) == frame.fields()
