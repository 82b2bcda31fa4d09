"""One subscriber: where it stands in each stream, and what it is handed next."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
import anyio.lowlevel

from agents.web.refusal import Refused
from bus.protocol import Place
from bus.window import bounds
from contracts.errors import Unavailable
from contracts.instants import LATEST

from .hub import Hub, rewound
from .position import MOST_TEXT, BadPosition, Numbers, joined, parsed
from .tail import Item, Tail, gap, items_of
from .wish import Wish

BEAT_S = 15.0
#: A connection that takes nothing of what it was sent for so long is given up.
STUCK_S = 60.0
#: Handed on at once: about so many bytes, and at least one event.
_CHUNK = 128 << 10
#: Entries of the log that are read at once, each of up to a megabyte; and how often before others get their turn.
_PAGE = 4
_TURN = 500


class Shape(Protocol):
    """How messages are written for a kind of connection."""

    def message(self, name: str, kind: str, data: bytes) -> bytes: ...


class Ended(Exception):
    """The subscription is over; the subscriber may come back with its position."""


@dataclass(slots=True)
class _Cursor:
    """Where a subscriber is in one stream.

    ``own`` is its own position while it is not where the tail is; then everything that it was given came from there.
    """

    tail: Tail
    text: str
    number: int | None = None
    own: Numbers | None = None


class Subscription:
    """Hands on every event that a wish lets pass, each once, with the position behind it."""

    def __init__(self, hub: Hub, wish: Wish, shape: Shape, abort: Callable[[], None] = lambda: None) -> None:
        self.hub, self.wish, self.shape, self.streams = hub, wish, shape, wish.streams
        self._abort = abort
        self._cursors: dict[str, _Cursor] = {}
        self._notices: list[dict[str, object]] = []
        self._news = asyncio.Event()
        self._beat = self._ended = ""
        self._sent_at = anyio.current_time()
        self._sending = False

    # ---------------------------------------------------------------- as the hub sees it

    def wake(self) -> None:
        self._news.set()

    def look(self, now: float) -> None:
        if self._sending and now - self._sent_at > STUCK_S:
            self._abort()
        elif not self._sending and now - self._sent_at >= BEAT_S:
            self._beat = "beat"
            self._news.set()

    def end(self, why: str) -> None:
        self._ended = why
        self._news.set()

    # ---------------------------------------------------------------- beginning

    async def begin(self, position: str) -> None:
        """Join, and stand behind ``position``; without one at the wish's time, or at the present end.

        Raises Refused for a position that is none, or while the log does not answer; then it has not joined.
        """
        if self.hub.closed:
            raise Refused(503, self.hub.closed, "try again", "store down")
        try:
            await self.hub.join(self)
            given = self._given(position)
            for stream in self.streams:
                tail = self.hub.tails[stream]
                if stream in given:
                    self._notices += rewound(given[stream], await self.hub.bus.ends(self.hub.places(stream)), stream)
                elif self.wish.since is not None:
                    given[stream] = await self._at(stream, self.wish.since)
                own = given.get(stream)
                if own is None:
                    self._cursors[stream] = _Cursor(tail, tail.head.text, tail.next)
                else:
                    self._cursors[stream] = _Cursor(tail, own.text, own=own)
            if len(self.position) > MOST_TEXT:
                raise Refused(422, "a position of so many streams and partitions is too long", "ask for fewer types")
        except BaseException as error:
            self.leave()
            if isinstance(error, Unavailable):
                raise Refused(503, str(error.args[0]), error.mend or "try again later", "store down") from error
            raise

    def _given(self, position: str) -> dict[str, Numbers]:
        try:
            return parsed(position, self.hub.mark, self.streams, self.hub.bus.partitions) if position else {}
        except BadPosition as error:
            mend = "begin anew without it, and with `since` where you must not miss anything"
            raise Refused(400, f"the position cannot be used: {error}", mend, "bad position") from error

    async def _at(self, stream: str, since: int) -> Numbers:
        """Behind everything that happened before."""
        numbers = Numbers()
        async with self.hub.readers:
            for place in self.hub.places(stream):
                found = await bounds(self.hub.history, place, since, LATEST)
                end = (await self.hub.bus.ends([place]))[place]
                numbers[place.partition] = found[0] - 1 if found else end
        return numbers

    def leave(self) -> None:
        """Be told nothing more."""
        self.hub.leave(self)

    # ---------------------------------------------------------------- what comes next

    @property
    def position(self) -> str:
        """Behind everything that was handed on."""
        return joined(self.hub.mark, {stream: cursor.text for stream, cursor in self._cursors.items()})

    def sending(self, under_way: bool) -> None:
        """Told when a chunk is given to the connection, and when the connection took it."""
        self._sending, self._sent_at = under_way, anyio.current_time()

    async def next(self) -> bytes:
        """What comes next, as bytes for the connection; empty where only a sign of life is due.

        Raises Ended, and Unavailable when the log does not answer to a subscriber that has to read it by itself.
        """
        while True:
            if self._ended:
                raise Ended(self._ended)
            self._news.clear()
            chunk, behind = bytearray(), False
            while self._notices:
                data = Item(0, 0, "", 0, notice=self._notices.pop()).data
                chunk += self.shape.message(self.position, "tocsin.gap", data)
            for cursor in self._cursors.values():
                if cursor.number is None:
                    await self._read(cursor, chunk)
                if cursor.number is not None:
                    self._take(cursor, chunk)
                behind = behind or cursor.number is None or cursor.number < cursor.tail.next
            if chunk:
                return bytes(chunk)
            if self._beat:
                self._beat = ""
                return b""
            if behind:
                # Much that is passed by must not keep the others waiting.
                await anyio.lowlevel.checkpoint()
                continue
            await self._news.wait()

    def _take(self, cursor: _Cursor, chunk: bytearray) -> None:
        """From the tail."""
        tail = cursor.tail
        if cursor.number is None or cursor.number < tail.first:
            # It fell out of the tail while its connection had no room.
            cursor.own, cursor.number = cursor.own or self._numbers(cursor), None
            return
        own = cursor.own
        for item in tail.since(cursor.number):
            if len(chunk) > _CHUNK:
                return
            cursor.number += 1
            if own is None:
                cursor.text = item.part
            elif item.ordinal <= own[item.partition]:
                continue
            else:
                own[item.partition] = item.ordinal
                cursor.text = own.text
            self._hand_on(item, chunk)
        # All that was read is handed on: from here on its position is the one of the tail, unless that reads later
        # than whoever gave the position out.
        if own is None or all(own[number] <= tail.head[number] for number in range(self.hub.bus.partitions)):
            cursor.own, cursor.text = None, tail.head.text

    async def _read(self, cursor: _Cursor, chunk: bytearray) -> None:
        """From the log, or the archive, up to where the tail can go on."""
        tail, own, hub = cursor.tail, cursor.own or self._numbers(cursor), self.hub
        cursor.own = own
        turns = 0
        while not tail.covers(own, hub.bus.partitions) and len(chunk) <= _CHUNK and turns < _TURN:
            turns += 1
            partition = next(number for number in range(hub.bus.partitions) if own[number] < tail.base[number])
            place, last = Place(tail.stream, partition), tail.base[partition]
            async with hub.readers:
                entries = await hub.history.range(place, own[partition] + 1, last, count=_PAGE)
            items = [item for entry in entries for item in items_of(place.stream, partition, entry, own[partition])]
            for item in items if entries else [gap(place.stream, partition, own[partition] + 1, last)]:
                if item.ordinal <= own[partition]:
                    continue
                if len(chunk) > _CHUNK:
                    # The rest is read again: keeping it would cost memory for as long as the connection has no room.
                    break
                own[partition] = item.ordinal
                cursor.text = own.text
                self._hand_on(item, chunk)
        if tail.covers(own, hub.bus.partitions):
            cursor.number = tail.first

    def _hand_on(self, item: Item, chunk: bytearray) -> None:
        if item.kind and item.passes(self.wish):
            chunk += self.shape.message(self.position, item.kind, item.data)

    def _numbers(self, cursor: _Cursor) -> Numbers:
        return Numbers.of(cursor.text, self.hub.bus.partitions)
