"""One reader of the log for all subscribers of a process: each entry is fetched and decoded once.

Nothing is queued for a subscriber. Each has a number in the tail of a stream, and takes what is behind it when its own
connection has room; who falls out of the tail reads the log by itself until it is back. So a slow one costs no memory
and delays nobody.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from typing import Protocol

import anyio
import anyio.lowlevel
import structlog

from bus.history import History
from bus.protocol import Bus, Entry, Place
from bus.retry import Backoff
from contracts.errors import StoreLost, StoreRefused, TocsinError

from .position import Numbers, mark_of
from .tail import Tail, gap, items_of

log = structlog.get_logger()

_COUNT = 500
#: With a taker of readings among its members: each entry may hold thousands of them.
_COUNT_OF_READINGS = 16
#: A taker that is so many events behind a place goes on so many before its end: it wants the present.
_FAR, _NEAR = 1_000_000, 20_000
_BLOCK_S = 1.0
_LOOK_S = 1.0
#: Subscribers that read the log by themselves at the same time; the others wait for their turn.
_READERS = 4
_PAGE = 64


class Member(Protocol):
    """A subscriber, as the hub knows it."""

    @property
    def streams(self) -> Sequence[str]:
        """What it reads."""

    def wake(self) -> None:
        """There is something new."""

    def look(self, now: float) -> None:
        """Called every second: time for a sign of life, or to give up a connection that takes nothing."""

    def end(self, why: str) -> None:
        """No more comes."""


class Taker(Member, Protocol):
    """A member that is given the entries of its streams as they are, readings included; nothing is kept for it."""

    def take(self, place: Place, entries: Sequence[Entry]) -> None:
        """The next entries of a place; some may come again, and where it was far behind some do not come."""


class Hub:
    """Reads what its members want, while there are any."""

    def __init__(self, bus: Bus, history: History) -> None:
        self.bus, self.history = bus, history
        self.mark = mark_of(bus.identity)
        self.readers = anyio.Semaphore(_READERS)
        self.tails: dict[str, Tail] = {}
        self._members: dict[str, set[Member]] = {}
        self._all: set[Member] = set()
        self._takers: set[Taker] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._reading: anyio.CancelScope | None = None
        self._opening = anyio.Lock()
        self.closed = ""

    @property
    def size(self) -> int:
        """How many members there are, but for takers."""
        return len(self._all) - len(self._takers)

    def places(self, stream: str) -> list[Place]:
        """All places of a stream."""
        return [Place(stream, number) for number in range(self.bus.partitions)]

    async def attach(self, taker: Taker) -> None:
        """Join, as one that is given entries as they are. Raises Unavailable when the log does not answer."""
        self._takers.add(taker)
        await self.join(taker)

    async def join(self, member: Member) -> None:
        """Read for this one as well. Raises Unavailable when the log does not answer."""
        # At once, so that the number of members counts those that are about to come.
        self._all.add(member)
        try:
            async with self._opening:
                for stream in member.streams:
                    bare = self._bare(stream)
                    self._members.setdefault(stream, set()).add(member)
                    if stream in self.tails and bare:
                        self._bared(stream)
                    if stream not in self.tails:
                        ends = await self.bus.ends(self.places(stream))
                        self.tails[stream] = Tail(stream, Numbers({p.partition: end for p, end in ends.items()}))
                        self._again()
        except BaseException:
            self.leave(member)
            raise
        if not self._tasks:
            # In a context of their own: what they log is not about the request that happened to be the first.
            self._tasks = [asyncio.create_task(each, context=Context()) for each in (self._read(), self._look())]

    def leave(self, member: Member) -> None:
        """Read no more for this one; with the last one reading ends."""
        self._all.discard(member)
        self._takers = {taker for taker in self._takers if taker is not member}
        for stream in member.streams:
            others = self._members.get(stream, set())
            others.discard(member)
            if not others:
                self._members.pop(stream, None)
                self.tails.pop(stream, None)
            elif self._bare(stream) and stream in self.tails:
                self._bared(stream)
        if not self._all:
            for task in self._tasks:
                task.cancel()
            self._tasks, self._reading = [], None

    def close(self, why: str) -> None:
        """End all subscriptions; nobody new is taken."""
        self.closed = why
        self._end(why)

    def _end(self, why: str, streams: Sequence[str] | None = None) -> None:
        for member in list(self._all):
            if streams is None or set(streams) & set(member.streams):
                member.end(why)

    def _bare(self, stream: str) -> bool:
        """Whether nobody but takers reads a stream, so that nothing of it is kept."""
        return self._members.get(stream, set()) <= self._takers

    def _bared(self, stream: str) -> None:
        """Keep what comes from here on: what came before was not kept, or is wanted by nobody any more."""
        self.tails[stream] = Tail(stream, self.tails[stream].head.copy())
        self._again()

    def _again(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    # ---------------------------------------------------------------- reading

    async def _read(self) -> None:
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                await self._step()
                backoff.reset()
            except TocsinError as error:
                log.warning("events cannot be read", cause=str(error), retry_in_s=round(pause := backoff.pause(), 1))
                await anyio.sleep(pause)
            except Exception as error:
                # Whoever is subscribed comes back with its position, and then reads the log anew.
                log.exception("events cannot be handed on", cause=repr(error))
                self._end("an error of the server")
                await anyio.sleep(backoff.pause())

    async def _step(self) -> None:
        """Wait for news of all streams, and hand them on."""
        tails = dict(self.tails)
        after = {place: tail.head[place.partition] for stream, tail in tails.items() for place in self.places(stream)}
        found: dict[Place, list[Entry]] = {}
        with anyio.CancelScope() as self._reading:
            if after:
                count = _COUNT_OF_READINGS if self._takers else _COUNT
                found = await self.bus.read(after, count=count, block_s=_BLOCK_S)
            else:
                await anyio.sleep(_BLOCK_S)
        self._reading = None
        for place, entries in found.items():
            tail = tails[place.stream]
            # A tail that was left and joined again meanwhile is another one.
            if self.tails.get(place.stream) is tail:
                await self._take(tail, place, entries)
                for member in list(self._members.get(place.stream, ())):
                    member.wake()
                for taker in self._takers:
                    taker.take(place, entries)
                # Those who were woken come first.
                await anyio.lowlevel.checkpoint()

    async def _take(self, tail: Tail, place: Place, entries: Sequence[Entry]) -> None:
        if self._bare(place.stream):
            tail.head[place.partition] = max(tail.head[place.partition], entries[-1].last)
            return
        for entry in entries:
            head = tail.head[place.partition]
            if entry.first > head + 1:
                await self._fill(tail, place, entry.first - 1)
            self._add(tail, place, entry)

    @staticmethod
    def _add(tail: Tail, place: Place, entry: Entry) -> None:
        for item in items_of(place.stream, place.partition, entry, tail.head[place.partition]):
            tail.add(item)

    async def _fill(self, tail: Tail, place: Place, last: int) -> None:
        """What was trimmed before it was read here is in the archive; what is not there either is told as a gap."""
        while (head := tail.head[place.partition]) < last:
            entries = await self.history.range(place, head + 1, last, count=_PAGE)
            if not entries:
                return
            for entry in entries:
                self._add(tail, place, entry)

    # ---------------------------------------------------------------- looking after

    async def _look(self) -> None:
        while True:
            await anyio.sleep(_LOOK_S)
            now = anyio.current_time()
            for member in list(self._all):
                member.look(now)
            with suppress(TocsinError):
                await self._check()

    async def _check(self) -> None:
        """Whether this is still the log that was read, with all that was read of it."""
        try:
            await self.bus.check()
        except (StoreLost, StoreRefused) as error:
            self.close(str(error))
            raise
        for stream, tail in list(self.tails.items()):
            before = {place: tail.head[place.partition] for place in self.places(stream)}
            ends = await self.bus.ends(list(before))
            if any(ends[place] < ordinal for place, ordinal in before.items()):
                log.warning("the log lost its end: subscribers begin anew", stream=stream)
                self._end("the log lost its end", [stream])
            elif self._bare(stream) and any(ends[place] - ordinal > _FAR for place, ordinal in before.items()):
                near = {place.partition: max(before[place], end - _NEAR) for place, end in ends.items()}
                self.tails[stream] = Tail(stream, Numbers(near))
                self._again()


def rewound(numbers: Numbers, ends: dict[Place, int], stream: str) -> list[dict[str, object]]:
    """Set back numbers that are behind the end of the log, and tell of each as a notice says it."""
    notices: list[dict[str, object]] = []
    for place, end in ends.items():
        if numbers[place.partition] > end:
            item = gap(stream, place.partition, end + 1, numbers[place.partition])
            notices.append(item.notice | {"why": "the log lost its end: what follows may differ from what was told"})
            numbers[place.partition] = end
    return notices
