"""Archive and stream as one log: what was trimmed is read from the archive, and nobody needs to know from where."""

from collections.abc import Sequence

from contracts.settings import Settings

from .archive import Archive
from .protocol import Entry, Log, Place, Recorded


class History:
    """Everything that happened. What the log still has is read there: it is the truth; the rest is in the archive.

    Without an archive it is the log alone. What somebody took out of the middle of the log comes from there, too. A
    hole that neither can fill stays one.
    """

    def __init__(self, archive: Archive | None, log: Recorded) -> None:
        self.archive, self.log = archive, log
        # Where the log begins, as far as we saw it: it only moves on.
        self._begins: dict[Place, int] = {}

    @property
    def partitions(self) -> int:
        return self.log.partitions

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        return await self.log.ends(places)

    async def starts(self, places: Sequence[Place]) -> dict[Place, int]:
        found = await self.log.starts(places)
        if self.archive is None:
            return found
        archived, ends = await self.archive.starts(places), await self.archive.ends(places)
        return {place: min(start, archived[place]) if ends[place] else start for place, start in found.items()}

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        """Up to ``count`` entries that hold any of the events ``first`` to ``last``, in order."""
        if self.archive is None:
            return await self.log.range(place, first, last, count=count)
        found: list[Entry] = []
        first = max(first, 1)
        while first <= last and len(found) < count:
            room, begins = count - len(found), self._begins.get(place, 1)
            if first < begins:
                found += await self.archive.range(place, first, min(last, begins - 1), count=room)
                # What the archive does not have either is a hole.
                first = begins
                continue
            rows = await self.log.range(place, first, last, count=room)
            whole = _unbroken(rows, first)
            found += rows[:whole]
            first = rows[whole - 1].last + 1 if whole else first
            if first > last or len(found) >= count or await self._trimmed(place, first):
                continue
            behind = rows[whole:]
            # A hole goes to what the log has behind it, or to the log's end: an archive may know more than is true.
            upto = behind[0].first - 1 if behind else (await self.ends([place]))[place]
            if first <= min(upto, last):
                found += await self.archive.range(place, first, min(upto, last), count=count - len(found))
            if not behind:
                break
            first = upto + 1
        return found

    async def _trimmed(self, place: Place, ordinal: int) -> bool:
        """Whether the log was trimmed beyond an ordinal since we looked, so that the archive has it."""
        self._begins[place] = (await self.log.starts([place]))[place]
        return self._begins[place] > ordinal


def _unbroken(entries: Sequence[Entry], first: int) -> int:
    """How many of the entries follow each other, beginning with the one that holds ``first``."""
    for number, entry in enumerate(entries):
        if entry.first > first:
            return number
        first = entry.last + 1
    return len(entries)


def history_of(settings: Settings, log: Log) -> History:
    """The log with its archive, if it has one or is to have one."""
    folder = settings.archive_dir
    if not settings.archive.enabled and not folder.is_dir():
        return History(None, log)
    return History(Archive(folder, log.identity, log.partitions), log)
