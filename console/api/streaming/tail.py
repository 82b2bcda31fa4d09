"""The latest events of one stream, decoded once and written once for all who read them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from pydantic_core import to_json

from bus.protocol import Entry
from contracts.errors import UnreadableEvent
from contracts.events import EVENTS, Event
from contracts.frames import decode
from contracts.rows import event_row

from .position import Numbers

#: What is kept of one stream; whoever is further behind reads the log by itself.
_MOST_ITEMS, _MOST_BYTES = 4_096, 8 << 20
#: Verdicts of filters that are kept with an event.
_MOST_FILTERS = 64


class Passing(Protocol):
    """What chooses among events."""

    def passes(self, event: Event) -> bool: ...


@dataclass(slots=True, eq=False)
class Item:
    """One event of the stream, or a notice: of events that are missing or cannot be read.

    A notice goes to everybody; it has no id of its own.
    """

    partition: int
    ordinal: int
    kind: str
    size: int
    event: Event | None = None
    notice: dict[str, object] = field(default_factory=dict)
    part: str = ""
    """The stream's part of the position behind this item, for whoever read everything before it as the tail did."""
    _data: bytes | None = None
    _passed: dict[Passing, bool] = field(default_factory=dict)

    def passes(self, wish: Passing) -> bool:
        """Whether a subscriber with this wish is told."""
        if self.event is None:
            return True
        found = self._passed.get(wish)
        if found is None:
            found = wish.passes(self.event)
            if len(self._passed) < _MOST_FILTERS:
                self._passed[wish] = found
        return found

    @property
    def data(self) -> bytes:
        """The event as JSON, in one line."""
        if self._data is None:
            row = self.notice if self.event is None else event_row(self.event)
            self._data = to_json(row, inf_nan_mode="null")
        return self._data


def items_of(stream: str, partition: int, entry: Entry, after: int) -> Iterator[Item]:
    """The events of an entry behind the ordinal ``after``; what is missing before it, or cannot be read, is a notice.

    Readings are passed by: they are columns, and nobody can subscribe to them here.
    """
    if entry.first > after + 1:
        yield gap(stream, partition, after + 1, entry.first - 1)
    kind = EVENTS.get(entry.fields.get(b"t", b"").decode(errors="replace").partition("/")[0])
    if kind is not None and not issubclass(kind, Event):
        yield Item(partition, entry.last, "", 0)
        return
    try:
        events = decode(entry.frame(), entry.last)
    except UnreadableEvent as error:
        notice = _notice(stream, partition, max(entry.first, after + 1), entry.last, str(error)[:300])
        yield Item(partition, entry.last, "tocsin.unreadable", 500, notice=notice)
        return
    size = sum(map(len, entry.fields.values())) // max(1, len(events)) + 500
    for ordinal, event in enumerate(events, entry.first):
        if ordinal > after and isinstance(event, Event):
            yield Item(partition, ordinal, event.type_name(), size, event)


def gap(stream: str, partition: int, first: int, last: int) -> Item:
    """The notice that events are gone from log and archive."""
    notice = _notice(stream, partition, first, last, "these events are neither in the log nor in the archive")
    return Item(partition, last, "tocsin.gap", 500, notice=notice)


def _notice(stream: str, partition: int, first: int, last: int, why: str) -> dict[str, object]:
    return {"stream": stream, "partition": partition, "first": first, "last": last, "why": why}


class Tail:
    """The last items of a stream, numbered from 0 in the order in which this process read them."""

    def __init__(self, stream: str, head: Numbers) -> None:
        self.stream, self.head = stream, head
        #: What came before the oldest item that is kept.
        self.base = head.copy()
        self.first = 0
        self._items: deque[Item] = deque()
        self._bytes = 0

    @property
    def next(self) -> int:
        """The number of the item that comes next."""
        return self.first + len(self._items)

    def add(self, item: Item) -> None:
        """Take in the next item; the oldest make room."""
        self.head[item.partition] = item.ordinal
        if not item.kind:
            # Nobody is told of it, so it need not be kept; those that come behind it say where it was.
            return
        item.part = self.head.text
        self._items.append(item)
        self._bytes += item.size
        while len(self._items) > _MOST_ITEMS or self._bytes > _MOST_BYTES:
            old = self._items.popleft()
            self.first += 1
            self._bytes -= old.size
            self.base[old.partition] = old.ordinal

    def since(self, number: int) -> Iterator[Item]:
        """The items from a number on that are kept."""
        if number >= self.next:
            return
        # A deque is slow in its middle and fast at its ends: most readers want the last few.
        wanted = self.next - number
        if wanted <= 16:
            yield from [self._items[-place] for place in range(wanted, 0, -1)]
        else:
            yield from list(self._items)[number - self.first :]

    def covers(self, own: Numbers, partitions: int) -> bool:
        """Whether everything behind ``own`` is kept."""
        return all(own[number] >= self.base[number] for number in range(partitions))
