"""Recorders: the position moves only after they say that it is written down."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import anyio
import pytest
from pydantic import PrivateAttr

from agents.letters import boxed
from agents.parts import Batch, Recorder
from agents.runtime.home import Home
from agents.runtime.recording import RecorderRunner
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.errors import Unavailable
from contracts.events import DataQualityIncident, DeadLettered, Event, LineageRecorded, Redriven
from contracts.frames import encode
from tests.unit.runtime.counting import Fragile, home, of_type

STREAM = DataQualityIncident.stream
PLACE = Place(STREAM, 0)
TASK = f"book<{STREAM}"


class Book(Recorder[DataQualityIncident]):
    """Writes incidents down; raises where a test wants it to."""

    linger_s: ClassVar[float] = 0.0
    _pages: list[Batch] = PrivateAttr(default_factory=list)
    _before: Callable[[int], None] | None = PrivateAttr(default=None)
    _asked: int = PrivateAttr(default=0)

    async def record(self, batch: Batch) -> Sequence[Event]:
        self._asked += 1
        if self._before:
            self._before(self._asked)
        self._pages.append(batch)
        return [
            LineageRecorded.of(
                cause="test", time=batch.last, asset="book", run_id="r", findings=batch.stream, first=batch.first,
                last=batch.last, digest="d",
            )
        ]  # fmt: skip


def incident(number: int) -> DataQualityIncident:
    return DataQualityIncident.of(
        cause=f"r{number}", time=number, asset="a", kind="gap", state="open", detail="", since=number
    )


async def filled(count: int) -> MemoryBus:
    bus = MemoryBus(1)
    for number in range(1, count + 1):
        await bus.append(PLACE, list(encode([incident(number)], "w")))
    return bus


async def recorded(surroundings: Home, book: Book, upto: int) -> RecorderRunner:
    runner = RecorderRunner(surroundings, "book", book, STREAM)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        with anyio.fail_after(40):
            while int(await surroundings.bus.position(0, TASK) or 0) < upto:  # noqa: ASYNC110 - what is waited for is in the log
                await anyio.sleep(0.005)
        surroundings.stop.set()
    return runner


def times(book: Book) -> list[int]:
    return [event.time for page in book._pages for event in page.events if isinstance(event, Event)]


async def test_everything_is_recorded_in_order_with_receipts() -> None:
    bus, book = await filled(5), Book()
    await recorded(home(bus), book, 5)
    assert times(book) == [1, 2, 3, 4, 5]
    assert [(page.stream, page.partition) for page in book._pages] == [(STREAM, 0)] * len(book._pages)
    receipts = await of_type(bus, LineageRecorded)
    assert [(receipt.first, receipt.last) for receipt in receipts] == [(page.first, page.last) for page in book._pages]
    assert receipts[-1].last == 5


async def test_position_stays_while_the_recorder_has_not_recorded() -> None:
    bus, book = await filled(3), Book()

    def away(number: int) -> None:
        assert bus._positions.get((0, TASK), "") == ""
        if number < 4:
            raise Unavailable("the book is away")

    book._before = away
    await recorded(home(bus), book, 3)
    assert book._asked == 4
    assert times(book) == [1, 2, 3]
    assert len(await of_type(bus, LineageRecorded)) == 1


async def test_other_errors_are_left_to_the_supervisor_and_nothing_moves() -> None:
    bus, book = await filled(3), Book()

    def broken(number: int) -> None:
        raise ValueError("the book is torn")

    book._before = broken
    with pytest.raises(ValueError, match="torn"):
        await RecorderRunner(home(bus), "book", book, STREAM).run()
    assert await bus.position(0, TASK) == ""
    assert await of_type(bus, LineageRecorded) == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_lost_commit_asks_the_recorder_again_at_most_and_stores_receipts_once(when: str) -> None:
    inner, book = await filled(3), Book()
    bus = Fragile(inner, lambda verb, number: when if (verb, number) == ("commit", 1) else "")
    runner = RecorderRunner(home(bus), "book", book, STREAM)
    with pytest.raises(Unavailable):
        await runner.run()
    await recorded(home(bus), book, 3)
    assert len(await of_type(inner, LineageRecorded)) == 1
    assert times(book) == ([1, 2, 3] if when == "after" else [1, 2, 3, 1, 2, 3])


async def test_small_batches_wait_for_more_before_they_are_recorded() -> None:
    class Patient(Book):
        linger_s: ClassVar[float] = 0.5

    bus, book = await filled(1), Patient()
    surroundings = home(bus)
    async with anyio.create_task_group() as group:
        group.start_soon(RecorderRunner(surroundings, "book", book, STREAM).run)
        await anyio.sleep(0.1)
        await bus.append(PLACE, list(encode([incident(2)], "w")))
        with anyio.fail_after(40):
            while await bus.position(0, TASK) == "":  # noqa: ASYNC110 - what is waited for is in the log
                await anyio.sleep(0.01)
        surroundings.stop.set()
    assert [len(page.events) for page in book._pages] == [2]


async def test_former_owner_moves_nothing() -> None:
    bus, book = await filled(3), Book()

    def taken_over(number: int) -> None:
        if number == 1:
            bus._tokens[0, TASK] += 1

    book._before = taken_over
    await recorded(home(bus, lease_s=0.2), book, 3)
    assert book._asked == 2, "refused, opened again, and recorded by the new token"
    assert len(await of_type(bus, LineageRecorded)) == 1


async def test_unreadable_entry_is_a_dead_letter_and_the_others_are_recorded() -> None:
    from dataclasses import replace

    bus, book = await filled(2), Book()
    (frame,) = encode([incident(3)], "w")
    await bus.append(PLACE, [replace(frame, writer="other"), *encode([incident(4)], "w")])
    await recorded(home(bus), book, 4)
    assert times(book) == [1, 2, 4]
    assert [letter.position for letter in await of_type(bus, DeadLettered)] == [3]


async def test_record_that_takes_longer_than_a_lease_keeps_it() -> None:
    """Nobody may take over what is being written down elsewhere."""

    class Slow(Book):
        async def record(self, batch: Batch) -> Sequence[Event]:
            await anyio.sleep(1.0)
            return await super().record(batch)

    bus, book = await filled(2), Slow()
    signs: set[str] = set()

    async def look() -> None:
        while True:
            signs.add(await bus.sign(0, TASK))
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        await recorded(home(bus, lease_s=0.3), book, 2)
        group.cancel_scope.cancel()
    # Free, taken, and renewed while the only record was under way.
    assert len(signs) >= 5
    assert len(book._pages) == 1


async def test_what_was_redriven_is_recorded_where_it_came_back() -> None:
    bus, book = await filled(1), Book()
    (frame,) = encode([incident(2), incident(3)], "w")
    for agent in (TASK, "somebody else"):
        again = Redriven.of(
            cause="l", time=0, asset=agent, discriminator=agent, agent=agent, origin=STREAM, position=9, events=2,
            frame=boxed(frame.fields()),
        )  # fmt: skip
        await bus.append(PLACE, list(encode([again], "dlq")))
    await bus.append(PLACE, list(encode([incident(4)], "w")))
    await recorded(home(bus), book, 4)
    assert times(book) == [1, 2, 3, 4]


async def test_redriven_frame_that_cannot_be_read_is_a_dead_letter_again() -> None:
    bus, book = await filled(1), Book()
    again = Redriven.of(
        cause="l", time=0, asset=TASK, agent=TASK, origin=STREAM, position=9, events=2, frame=boxed({b"t": b"x/1"})
    )
    await bus.append(PLACE, list(encode([again], "dlq")))
    await recorded(home(bus), book, 2)
    (letter,) = await of_type(bus, DeadLettered)
    assert (letter.position, letter.at, letter.events) == (9, 2, 2)
