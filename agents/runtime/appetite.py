"""How much to read at once: entries differ in size by a factor of ten thousand, memory does not grow with them."""

from collections.abc import Sequence

from bus.protocol import Entry

#: Before the size of entries is known, and at most.
_FIRST, _MOST = 64, 500
#: One entry in so many is measured.
_SAMPLE = 16
_MB = 1 << 20


class Appetite:
    """How many entries to ask for, so that a read holds about ``most_mb``; learns from what comes.

    Entries that suddenly are much larger exceed it once: each of the places gives as many as before.
    """

    def __init__(self, most_mb: float, most_entries: int = _MOST) -> None:
        self._most_bytes, self._most_entries = most_mb * _MB, most_entries
        self._size = 0.0

    def count(self, places: int) -> int:
        """Entries to ask for in each of so many places."""
        if not self._size:
            return min(_FIRST, self._most_entries)
        return max(1, min(self._most_entries, int(self._most_bytes / (self._size * max(1, places)))))

    def fed(self, entries: Sequence[Entry]) -> None:
        """Learn from what came: at once when it is larger, slowly when it is smaller."""
        if not entries:
            return
        sample = [*entries[::_SAMPLE], entries[-1]]
        size = max(1.0, sum(len(value) for entry in sample for value in entry.fields.values()) / len(sample))
        self._size = max(size, (self._size + size) / 2)


def portions(entries: Sequence[Entry], events: int) -> list[list[Entry]]:
    """Entries in portions of about ``events`` events, at least one entry each."""
    out: list[list[Entry]] = []
    room = 0
    for entry in entries:
        if not out or entry.count > room:
            out.append([])
            room = events
        out[-1].append(entry)
        room -= entry.count
    return out
