"""A sender is told that its readings are safe when they are on disk, and not before."""

import anyio

from agents.runtime.home import Home
from agents.runtime.sources.receipts import Receipts
from bus.memory import MemoryBus
from contracts.errors import Unavailable


class SlowDisk(MemoryBus):
    """A bus whose disk answers when the test lets it."""

    def __init__(self) -> None:
        super().__init__(1)
        self.reached = anyio.Event()
        self.asked = 0
        self.failure: Exception | None = None

    async def persist(self) -> None:
        self.asked += 1
        await self.reached.wait()
        if self.failure:
            raise self.failure


async def test_nobody_is_told_before_the_disk_has_it_and_one_wait_serves_many() -> None:
    bus, told = SlowDisk(), list[BaseException | None]()
    receipts = Receipts(Home(bus, "me"))
    async with anyio.create_task_group() as group:
        for _ in range(5):
            receipts.owe(told.append)
        group.start_soon(receipts.run)
        await anyio.wait_all_tasks_blocked()
        assert told == []
        bus.reached.set()
        await receipts.close()
    assert (told, bus.asked) == ([None] * 5, 1)


async def test_a_disk_that_does_not_answer_is_told_to_the_sender() -> None:
    bus, told = SlowDisk(), list[BaseException | None]()
    bus.failure = Unavailable("nothing reached the server's disk")
    bus.reached.set()
    receipts = Receipts(Home(bus, "me"))
    async with anyio.create_task_group() as group:
        group.start_soon(receipts.run)
        receipts.owe(told.append)
        await receipts.close()
    assert told == [bus.failure]


async def test_a_source_that_fails_tells_everybody_whom_it_owes() -> None:
    """Not after the sender's patience: at once, also those whose wait for the disk is under way."""
    bus, told = SlowDisk(), list[BaseException | None]()
    receipts = Receipts(Home(bus, "me"))
    async with anyio.create_task_group() as group:
        receipts.owe(told.append)
        group.start_soon(receipts.run)
        await anyio.wait_all_tasks_blocked()
        receipts.owe(told.append)
        group.cancel_scope.cancel()
    assert [type(error) for error in told] == [Unavailable] * 2
