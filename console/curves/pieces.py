"""The events of a place piece by piece, the latest first, so that what there is no time for is the oldest.

A piece is a segment of the archive, or a stretch of what is not archived yet. What cannot be read is told, never
skipped in silence, and never in the way of the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio.to_thread

from bus.archive import Segment
from bus.history import History
from bus.protocol import Entry, Place
from contracts.errors import CorruptEvent, Unavailable
from contracts.events import AnyEvent
from contracts.frames import Unread, decode_all
from contracts.instants import iso

#: Entries in the first read: each may be a megabyte. The next ones are as many as make so many bytes.
_PAGE, _MOST_PAGE, _PAGE_BYTES = 64, 4_096, 4 << 20
#: Events of a piece of what is not archived.
_PIECE = 100_000
#: Of what is missing so much is told one by one.
_TOLD = 20


@dataclass(frozen=True)
class Piece:
    """The events ``first`` to ``last`` of a place; ``segment`` where they are archived."""

    place: Place
    first: int
    last: int
    segment: Segment | None = None

    @property
    def times(self) -> tuple[int, int] | None:
        """Earliest and latest event time (ns), where that is known."""
        if self.segment is None or not (self.segment.time_min or self.segment.time_max):
            return None
        return self.segment.time_min, self.segment.time_max

    def inside(self, since: int, until: int) -> bool:
        """Whether all of it is known to have happened from ``since`` to ``until``."""
        return self.times is not None and since <= self.times[0] and self.times[1] <= until

    def near(self, since: int, until: int) -> bool:
        """Whether any of it may have happened from ``since`` to ``until``."""
        return self.times is None or (self.times[0] <= until and self.times[1] >= since)


@dataclass
class Missing:
    """What is not in an answer, and why; the first of it in full, the rest counted. ``late``: there was no time."""

    late: bool = False
    told: list[dict[str, str]] = field(default_factory=list)
    more: int = 0

    def add(self, why: str, since: int | None = None, until: int | None = None) -> None:
        """``since`` and ``until``: event times, where they are known."""
        row = {"from": iso(since) if since else "", "to": iso(until) if until else "", "why": why}
        if row in self.told:
            return
        if len(self.told) < _TOLD:
            self.told.append(row)
        else:
            self.more += 1

    def rows(self) -> list[dict[str, str]]:
        """As plain data."""
        more = [{"from": "", "to": "", "why": f"{self.more:,} more that cannot be read"}] if self.more else []
        return [*self.told, *more]


async def pieces(history: History, place: Place, missing: Missing) -> list[Piece]:
    """All of a place, oldest first. Raises Unavailable where the log does not answer."""
    archived: Sequence[Segment] = ()
    if history.archive is not None:
        try:
            archived = await history.archive.segments(place)
        except (CorruptEvent, Unavailable) as error:
            missing.add(f"the archive cannot be read: {error.args[0]}")
    start, end = (await history.log.starts([place]))[place], (await history.log.ends([place]))[place]
    found, upto = [], 0
    for segment in archived:
        if segment.first > upto + 1 and upto:
            missing.add(f"{segment.first - upto - 1:,} events are neither in log nor archive")
        # The log is the truth: an archive may know more, of an end that was lost.
        if segment.first <= end:
            found.append(Piece(place, segment.first, min(segment.last, end), segment))
        upto = max(upto, segment.last)
    if upto + 1 < start and end:
        missing.add(f"{start - upto - 1:,} events are neither in log nor archive")
    starts = range(max(upto + 1, start), end + 1, _PIECE)
    return [*found, *(Piece(place, first, min(first + _PIECE - 1, end)) for first in starts)]


async def read(history: History, piece: Piece, missing: Missing, take: Callable[[AnyEvent], None]) -> bool:
    """Give ``take`` the events of a piece, oldest first, in a thread; whether the archive and the log had all of it.

    Raises Unavailable where the log does not answer.
    """
    at, count, whole = piece.first, _PAGE, True

    def work(page: Sequence[Entry]) -> bool:
        # An entry across an edge belongs to the piece that its end is in.
        mine = [entry for entry in page if entry.last <= piece.last]
        unread = 0
        for event in decode_all(mine):
            if isinstance(event, Unread):
                missing.add(f"entry {event.entry.last}: {event.error.args[0]}")
                unread += 1
            else:
                take(event)
        return not unread

    while at <= piece.last:
        try:
            page = await history.range(piece.place, at, piece.last, count=count)
        except (CorruptEvent, Unavailable) as error:
            if isinstance(error, Unavailable) and not (piece.segment and await _log_answers(history, piece.place)):
                raise
            missing.add(str(error.args[0]), *(piece.times or ()))
            return False
        for entry in page:
            if entry.first > at:
                whole = _gone(missing, piece, entry.first - at)
            at = entry.last + 1
        if not page:
            return _gone(missing, piece, piece.last - at + 1)
        whole = await anyio.to_thread.run_sync(work, page) and whole
        count = _next(page)
    return whole


def _gone(missing: Missing, piece: Piece, events: int) -> bool:
    missing.add(f"{events:,} events are neither in log nor archive", *(piece.times or ()))
    return False


def _next(page: Sequence[Entry]) -> int:
    """Entries of the next read: many small ones, few large ones."""
    size = sum(sum(map(len, entry.fields.values())) for entry in page) // len(page)
    return max(_PAGE, min(_PAGE_BYTES // max(size, 1), _MOST_PAGE))


async def _log_answers(history: History, place: Place) -> bool:
    """Whether it is the archive that does not."""
    try:
        await history.log.ends([place])
    except Unavailable:
        return False
    return True
