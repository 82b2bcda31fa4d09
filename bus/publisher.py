"""Publishing events one by one, each awaited, at the speed of batches.

What comes while a commit is under way goes together into the next one: nobody waits for a batch to fill, and the busier
it is, the larger the batches. Each batch is a commit of the task ``publisher:<name>`` whose position is a counter, so a
batch that is sent again after a lost reply is in the log once.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from contracts.errors import Fenced, TocsinError, TooLarge, Unavailable
from contracts.events import Event
from contracts.frames import Frame, encode

from .protocol import Commit, Leases, Ledger
from .retry import Backoff

#: Events that may wait for one partition, and so the most in one commit.
MAX_WAITING = 2_000
_ALL = -1


class Target(Ledger, Leases, Protocol):
    """The parts of the bus that are needed."""


@dataclass(slots=True)
class _Batch:
    """Events that go into the log together."""

    events: list[Event] = field(default_factory=list)
    #: Number of the event, or ``_ALL`` -> why it is not in the log.
    errors: dict[int, Exception] = field(default_factory=dict)
    done: anyio.Event = field(default_factory=anyio.Event)


class Publisher:
    """Publishes the events of ``name`` for many tasks at once. Made by ``publishing``."""

    def __init__(self, bus: Target, name: str, group: TaskGroup, patience_s: float) -> None:
        self._bus, self._name, self._group, self._patience_s = bus, name, group, patience_s
        self._outlets: dict[int, _Outlet] = {}
        self._closed = False

    async def publish(self, partition: int, event: Event) -> None:
        """Returns when the event is in the log.

        Waits where too many events wait already. Raises TooLarge for an event over the limit, Fenced when another
        publisher of the same name took over, and Unavailable when the server did not answer in time; then the event
        may be in the log or not. A call that is cancelled while it waits for its answer publishes all the same.
        """
        if self._closed:
            raise Unavailable(f"publisher {self._name} was closed")
        outlet = self._outlets.get(partition)
        if outlet is None:
            outlet = self._outlets[partition] = _Outlet(self._bus, self._name, partition, self._patience_s)
            self._group.start_soon(outlet.run)
        await outlet.publish(event)

    def close(self) -> None:
        """Take nothing more; what waits is still published."""
        self._closed = True
        for outlet in self._outlets.values():
            outlet.close()


@asynccontextmanager
async def publishing(bus: Target, name: str, *, patience_s: float = 30.0) -> AsyncIterator[Publisher]:
    """A publisher of the name; at the end everything that waits has been published.

    A server that does not answer is tried again for ``patience_s`` seconds. No two may have the same name at the same
    time: the newer one fences the older off.
    """
    async with anyio.create_task_group() as group:
        publisher = Publisher(bus, name, group, patience_s)
        try:
            yield publisher
        finally:
            publisher.close()


class _Outlet:
    """What goes to one partition: one batch on its way, and one that is collected meanwhile."""

    def __init__(self, bus: Target, name: str, partition: int, patience_s: float) -> None:
        self._bus, self._name, self._partition, self._patience_s = bus, name, partition, patience_s
        self._task = f"publisher:{name}"
        # Unknown until the server was asked, and again after a commit that may have been applied or not.
        self._token: int | None = None
        self._position = 0
        self._next = _Batch()
        self._news, self._room = anyio.Event(), anyio.Event()
        self._closed = False
        self._fenced: Fenced | None = None

    async def publish(self, event: Event) -> None:
        while len(self._next.events) >= MAX_WAITING:
            await self._room.wait()
        if self._fenced:
            raise self._fenced
        if self._closed:
            raise self._ended()
        batch, number = self._next, len(self._next.events)
        batch.events.append(event)
        self._news.set()
        await batch.done.wait()
        if batch.errors and (error := batch.errors.get(number) or batch.errors.get(_ALL)):
            raise error

    def close(self) -> None:
        self._closed = True
        self._news.set()
        self._room.set()

    async def run(self) -> None:
        """Send what waits, one batch after the other, until it is closed and nothing waits."""
        try:
            while True:
                await self._news.wait()
                batch = self._next
                if not batch.events:
                    return
                self._next = _Batch()
                if not self._closed:
                    self._news = anyio.Event()
                self._room.set()
                self._room = anyio.Event()
                await self._send(batch)
        finally:
            self._closed = True
            self._give_up(self._next, self._ended())

    async def _send(self, batch: _Batch) -> None:
        try:
            if self._fenced:
                raise self._fenced
            await self._store(self._frames(batch))
        except TocsinError as error:
            # It may still be applied, later than all others: the next batch gets a new token, which shuts it out.
            self._token = None
            self._fenced = error if isinstance(error, Fenced) else None
            batch.errors[_ALL] = error
        except BaseException:
            self._give_up(batch, self._ended())
            raise
        batch.done.set()

    def _give_up(self, batch: _Batch, error: TocsinError) -> None:
        batch.errors[_ALL] = error
        batch.done.set()

    def _ended(self) -> Unavailable:
        return Unavailable(f"publisher {self._name} was closed")

    async def _store(self, outputs: Sequence[tuple[str, Frame]]) -> None:
        backoff = Backoff(first_s=0.05, most_s=2.0)
        why = ""
        with anyio.move_on_after(self._patience_s):
            while outputs:
                try:
                    return await self._commit(outputs)
                except Unavailable as error:
                    why = str(error)
                    await anyio.sleep(backoff.pause())
            return None
        raise Unavailable(f"not published within {self._patience_s:g} s", mend=why)

    async def _commit(self, outputs: Sequence[tuple[str, Frame]]) -> None:
        if self._token is None:
            token = await self._bus.acquire(self._partition, self._task, self._name, seen=None)
            self._position = int(await self._bus.fence(self._partition, self._task, token or 0) or 0)
            self._token = token or 0
        expected, position = str(self._position or ""), str(self._position + 1)
        await self._bus.commit(Commit(self._partition, self._task, self._token, expected, position, outputs))
        self._position += 1

    def _frames(self, batch: _Batch) -> list[tuple[str, Frame]]:
        """The events stream by stream; one that cannot be written stays out."""
        try:
            return self._encoded(batch.events)
        except (TooLarge, ValueError):
            for number, event in enumerate(batch.events):
                try:
                    self._encoded([event])
                except (TooLarge, ValueError) as error:
                    batch.errors[number] = error
        return self._encoded([event for number, event in enumerate(batch.events) if number not in batch.errors])

    def _encoded(self, events: Sequence[Event]) -> list[tuple[str, Frame]]:
        streams: dict[str, list[Event]] = {}
        for event in events:
            streams.setdefault(event.stream, []).append(event)
        return [(name, frame) for name, group in streams.items() for frame in encode(group, self._name)]
