"""The bus of Tocsin: typed events, digests, and positions that are stored with what came out."""

from collections.abc import Callable, Sequence
from functools import cache

import anyio

from bus.protocol import Commit, Entry, Place
from bus.publisher import Publisher, publishing
from bus.redis import RedisBus, Server
from contracts.events import AnyEvent, NotificationSent, ReadingsEvent
from contracts.frames import Frame, Unread, decode_all, encode

from .workload import PACKED, PIPE, ROWS, batches, events

IN, OUT, COLUMNS = Place(NotificationSent.stream, 0), Place("receipts", 0), Place("readings.acquired", 0)
#: Tasks that publish at the same time, each waiting for its own event.
PUBLISHERS = 64
#: Entries of many events in one read: as many events at once as otherwise.
PACKED_READ = PIPE // PACKED
COLUMNS_READ = 100


class Ours:
    """Cells of Tocsin."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bus = RedisBus(Server(url), 1)

    async def renew(self) -> None:
        """Forget the log that was: a bus notices when the server was emptied under it."""
        await self.bus.close()
        self.bus = RedisBus(Server(self.url), 1)
        await self.bus.ends([IN])

    # ---- writing

    async def publish_awaited(self, count: int) -> None:
        """Each event published by itself and awaited, by some tasks at once."""
        left = iter(events(count))

        async def publish(publisher: Publisher) -> None:
            for event in left:
                await publisher.publish(0, event)

        async with publishing(self.bus, "bench") as publisher, anyio.create_task_group() as group:
            for _ in range(PUBLISHERS):
                group.start_soon(publish, publisher)

    async def publish_script(self, count: int) -> None:
        """One entry per event, 500 in a commit."""
        await self._written(IN, singles(count))

    async def publish_packed(self, count: int) -> None:
        await self._written(IN, packed(count))

    async def publish_columns(self, count: int) -> None:
        """From arrays to the log: encoding is part of it."""
        everything = batches(count)
        for at in range(0, count, COLUMNS_READ):
            part = everything[at : at + COLUMNS_READ]
            await self._step("fill", at, at + len(part), [(COLUMNS.stream, frame) for frame in encode(part, "bench")])

    async def _written(self, place: Place, frames: Sequence[Frame]) -> None:
        for at in range(0, len(frames), PIPE):
            part = frames[at : at + PIPE]
            await self._step("fill", at, at + len(part), [(place.stream, frame) for frame in part])

    async def _step(self, task: str, expected: int, position: int, out: Sequence[tuple[str, Frame]]) -> None:
        await self.bus.commit(Commit(0, task, 1, str(expected or ""), str(position), out))

    # ---- reading

    async def ordered(self, count: int) -> None:
        """A lane: read in order, check, decode, hand each event to a handler."""
        await self._lane(IN, count, PIPE, _handled)

    async def ordered_packed(self, count: int) -> None:
        await self._lane(IN, count, PACKED_READ, _handled)

    async def hop(self, count: int) -> None:
        """The same, with what the handler returns and the position stored in one step."""
        last = 0
        while last < count:
            entries = await self._read(IN, last, PIPE)
            found = [event for event in decode_all(entries) if isinstance(event, NotificationSent) and _valid(event)]
            await self._step("hop", last, entries[-1].last, [(OUT.stream, frame) for frame in encode(found, "hop")])
            last = entries[-1].last

    async def consume_columns(self, count: int) -> None:
        total = 0.0

        def use(entries: Sequence[Entry]) -> None:
            nonlocal total
            for event in decode_all(entries):
                assert isinstance(event, ReadingsEvent)
                total += float(event.readings.value.sum())

        await self._lane(COLUMNS, count * ROWS, COLUMNS_READ, use)

    async def _lane(self, place: Place, count: int, size: int, use: Callable[[Sequence[Entry]], None]) -> None:
        last = 0
        while last < count:
            entries = await self._read(place, last, size)
            use(entries)
            last = entries[-1].last

    async def _read(self, place: Place, last: int, size: int) -> list[Entry]:
        return (await self.bus.read({place: last}, count=size))[place]


def _handled(entries: Sequence[Entry]) -> None:
    for event in decode_all(entries):
        assert _valid(event)


def _valid(event: AnyEvent | Unread) -> bool:
    return isinstance(event, NotificationSent) and event.attempt == 1


@cache
def singles(count: int) -> Sequence[Frame]:
    """A frame for each event."""
    return [next(iter(encode([item], "bench"))) for item in events(count)]


@cache
def packed(count: int) -> Sequence[Frame]:
    """Frames of 100 events."""
    return [frame for at in range(0, count, PACKED) for frame in encode(events(count)[at : at + PACKED], "bench")]
