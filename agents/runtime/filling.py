"""Filling holes in what was read from the stream with what the archive has."""

from collections.abc import Sequence

from bus.protocol import Entry, Place

from .appetite import portions
from .home import Home

_ENTRIES = 64


def holes(position: int, entries: Sequence[Entry]) -> list[tuple[int, int]]:
    """Where entries do not follow the position and each other: the ordinal that should come, and the one that does."""
    expected = [position + 1, *(entry.last + 1 for entry in entries)]
    return [(ordinal, entry.first) for ordinal, entry in zip(expected, entries, strict=False) if entry.first != ordinal]


async def filled(home: Home, place: Place, position: int, entries: Sequence[Entry], events: int) -> Sequence[Entry]:
    """What follows the position: the entries; or, where some are missing, fewer than these or about ``events`` others.

    A hole that is left at the beginning cannot be filled. The caller comes again for what it was not given.
    """
    missing = holes(position, entries)
    if home.history is None or not missing:
        return entries
    expected, found = missing[0]
    if before := [entry for entry in entries if entry.last < expected]:
        return before
    kept = await home.history.range(place, expected, entries[-1].last, count=_ENTRIES)
    if kept and kept[0].first < found:
        return portions(kept, events)[0]
    ends = missing[1][0] if len(missing) > 1 else entries[-1].last + 1
    return [entry for entry in entries if entry.last < ends]
