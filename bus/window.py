"""Where in a place the events of some time are, found without reading all of it.

Event times mostly rise along a place, but nothing makes them: a reading may come late, a device may have lost its
clock. So what is found here may hold too much, never too little.
"""

from collections.abc import Sequence

import numpy as np

from contracts.events import AnyEvent, ReadingsEvent
from contracts.frames import Unread, decode_all
from contracts.instants import EARLIEST, LATEST

from .history import History
from .protocol import Entry, Place

#: Entries in one read: each may be a megabyte.
_PAGE = 64

Span = tuple[int, int]


async def spans(history: History, place: Place, since: int, until: int) -> list[Span]:
    """Ranges of ordinals outside of which nothing happened from ``since`` to ``until`` (event time, ns), in order."""
    start, end = (await history.starts([place]))[place], (await history.ends([place]))[place]
    if start > end:
        return []
    if since <= EARLIEST and until >= LATEST:
        return [(start, end)]
    found: list[Span] = []
    archived = start - 1
    for segment in await history.archive.segments(place) if history.archive else ():
        # Zeros stand for no time at all: what is in there cannot be told from here.
        known = bool(segment.time_min or segment.time_max)
        if not known or (segment.time_min <= until and segment.time_max >= since):
            _add(found, (max(segment.first, start), min(segment.last, end)))
        archived = max(archived, segment.last)
    _add(found, (archived + 1, end))
    return found


def _add(found: list[Span], span: Span) -> None:
    if span[0] > span[1]:
        return
    if found and found[-1][1] + 1 >= span[0]:
        span = (found.pop()[0], span[1])
    found.append(span)


async def bounds(history: History, place: Place, since: int, until: int) -> Span | None:
    """A range of ordinals with everything in it that happened from ``since`` to ``until``; None where nothing did."""
    candidates = await spans(history, place, since, until)
    if since <= EARLIEST and until >= LATEST:
        return candidates[0] if candidates else None
    first = last = 0
    for span in candidates:
        if first:
            break
        first, last = await _hits(history, place, span, since, until)
    if not first:
        return None
    for span in reversed(candidates):
        if span[0] <= last:
            break
        found, end = await _hits(history, place, span, since, until)
        if found:
            return first, end
    return first, last


async def _hits(history: History, place: Place, span: Span, since: int, until: int) -> Span:
    """From the first entry in a range with an event of the time to the end of the last page with one; or zeros.

    The beginning is exact, because a replay begins at a saved state before it: the earlier, the more it has to read.
    """
    first, last, at = 0, 0, span[0]
    while entries := await history.range(place, at, span[1], count=_PAGE):
        if _happened(entries, since, until):
            first = first or next(entry.first for entry in entries if _happened([entry], since, until))
            last = entries[-1].last
        at = entries[-1].last + 1
    return first, last


def _happened(entries: Sequence[Entry], since: int, until: int) -> bool:
    return any(bool(np.any(within(event, since, until))) for event in events_of(entries))


def events_of(entries: Sequence[Entry]) -> list[AnyEvent]:
    """The events of entries, without what cannot be read."""
    return [event for event in decode_all(entries) if not isinstance(event, Unread)]


def within(event: AnyEvent, since: int, until: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each row of the event, whether it happened from ``since`` to ``until``; other events are one row."""
    time = event.readings.time if isinstance(event, ReadingsEvent) else np.array([event.time])
    return (time >= since) & (time <= until)
