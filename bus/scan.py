"""Going through a stream of the log from one ordinal to another, decoded, a bounded part at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from contracts.errors import UnreadableEvent
from contracts.events import EVENTS, AnyEvent
from contracts.frames import Frame, decode

from .protocol import Entry, Place, Recorded

#: Entries in one read: each may be a megabyte.
_PAGE = 64

#: Every stream that can be in the log.
STREAMS = tuple(sorted({kind.stream for kind in EVENTS.values()}))
#: Streams whose events follow from the readings and the configuration alone.
FACTS = tuple(sorted({kind.stream for kind in EVENTS.values() if not kind.operational}))


@dataclass(frozen=True)
class Found:
    """An entry as it was found; ``problem`` says why its events cannot be read."""

    place: Place
    entry: Entry
    writer: str
    events: tuple[AnyEvent, ...]
    problem: str = ""


async def scan(log: Recorded, place: Place, first: int = 1, last: int | None = None) -> AsyncIterator[Found]:
    """The entries that hold the events ``first`` to ``last`` (None: to the present end), in order."""
    if last is None:
        last = (await log.ends([place]))[place]
    while first <= last:
        entries = await log.range(place, first, last, count=_PAGE)
        for entry in entries:
            yield read(place, entry)
        if not entries:
            return
        first = entries[-1].last + 1


def read(place: Place, entry: Entry) -> Found:
    """What is in an entry."""
    try:
        frame: Frame = entry.frame()
        return Found(place, entry, frame.writer, tuple(decode(frame, entry.last)))
    except UnreadableEvent as error:
        return Found(place, entry, "", (), str(error))


async def backwards(log: Recorded, place: Place, step: int = 2_000) -> AsyncIterator[Found]:
    """All entries of a place, newest first."""
    last = (await log.ends([place]))[place]
    while last > 0:
        first = max(1, last - step + 1)
        page = [found async for found in scan(log, place, first, last)]
        for found in reversed(page):
            if found.entry.last <= last:
                yield found
        last = min(first, page[0].entry.first) - 1 if page else first - 1
