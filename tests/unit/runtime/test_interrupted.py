"""A server that goes away between two steps of taking work over: whatever was taken is opened in the end."""

from collections.abc import Sequence

import anyio
import pytest

from agents.runtime.recording import RecorderRunner
from agents.runtime.sinks.sinking import SinkRunner
from agents.runtime.sources.ticking import Ticker
from bus.memory import MemoryBus
from bus.protocol import Delivery, Place
from contracts.errors import Unavailable
from contracts.events import ClockTicked, NotificationSent
from tests.unit.runtime.counting import Fragile, home, of_type
from tests.unit.runtime.test_recording import STREAM, Book, filled, times
from tests.unit.runtime.test_sinking import PLACE, pager, posted


def first_fence(verb: str, number: int) -> str:
    return "before" if verb == "fence" and number == 1 else ""


async def test_recorder_opens_what_it_took_before_the_server_went_away() -> None:
    book, surroundings = Book(), home(Fragile(await filled(3), first_fence))
    runner = RecorderRunner(surroundings, "book", book, STREAM)
    with pytest.raises(Unavailable):
        await runner.run()
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        with anyio.fail_after(40):
            while times(book) != [1, 2, 3]:  # noqa: ASYNC110 - the book has no event
                await anyio.sleep(0.01)
        surroundings.stop.set()


async def test_ticker_ticks_where_it_took_over_before_the_server_went_away() -> None:
    bus = MemoryBus(1)
    surroundings = home(Fragile(bus, first_fence))
    ticker = Ticker(surroundings, "acquisition", every_s=0.02)
    with pytest.raises(Unavailable):
        await ticker.run()
    async with anyio.create_task_group() as group:
        group.start_soon(ticker.run)
        with anyio.fail_after(40):
            while not await of_type(bus, ClockTicked):  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.01)
        surroundings.stop.set()


class Lossy(MemoryBus):
    """Loses the reply of the first fetch that hands something out."""

    lost = False

    async def fetch(
        self, group: str, consumer: str, places: Sequence[Place], *, count: int, block_s: float = 0
    ) -> list[Delivery]:
        found = await super().fetch(group, consumer, places, count=count, block_s=block_s)
        if found and not self.lost:
            self.lost = True
            raise Unavailable("the reply was lost")
        return found


async def test_entries_whose_handing_out_was_not_heard_of_are_delivered_in_the_same_life() -> None:
    bus, sink = Lossy(1), pager()
    await posted(bus, "one", "two")
    surroundings = home(bus)
    async with anyio.create_task_group() as group:
        group.start_soon(SinkRunner(surroundings, "pager", sink, [PLACE.stream]).run)
        with anyio.fail_after(40):
            while len(await of_type(bus, NotificationSent)) < 2:  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.01)
        surroundings.stop.set()
    assert bus.lost
    assert sorted(sink._calls) == ["one", "two"]
