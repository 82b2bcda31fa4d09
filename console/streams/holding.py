"""What each stream holds: on the server, in the archive, from when to when, and how much memory that takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bus.archive import Archive
from bus.history import History
from bus.protocol import Bus, Place
from bus.scan import STREAMS, read
from contracts.errors import CorruptEvent, Unavailable
from contracts.events import ReadingsEvent
from contracts.instants import iso


@dataclass
class Holding:
    """Looks at all streams again and again, and reads no event twice."""

    bus: Bus
    history: History
    _times: dict[tuple[Place, bool], tuple[int, int | None]] = field(default_factory=dict)

    async def rows(self) -> list[dict[str, Any]]:
        """A row per stream that ever held anything, by name. Raises Unavailable when the server does not answer."""
        places = [Place(stream, number) for stream in STREAMS for number in range(self.bus.partitions)]
        ends, starts = await self.bus.ends(places), await self.bus.starts(places)
        used = [place for place in places if ends[place]]
        weights = await self.bus.weights(used)
        archived = await _archived(self.history.archive, used)
        found = []
        for stream in sorted({place.stream for place in used}):
            own = [place for place in used if place.stream == stream]
            here = [place for place in own if starts[place] <= ends[place]]
            oldest = [await self._time(place, starts[place], newest=False) for place in here]
            newest = [await self._time(place, ends[place], newest=True) for place in here]
            found.append(
                {
                    "stream": stream,
                    "events": sum(ends[place] for place in own),
                    "held": sum(ends[place] - starts[place] + 1 for place in own),
                    "oldest": _told(min, oldest),
                    "newest": _told(max, newest),
                    "memory": sum(weights[place] for place in own) if weights else None,
                    "archived": sum(min(archived[place], ends[place]) for place in own) if archived else None,
                    "partitions": len(own),
                }
            )
        return found

    async def _time(self, place: Place, ordinal: int, *, newest: bool) -> int | None:
        """The event time of one event; None where it is gone or cannot be read."""
        known = self._times.get((place, newest))
        if known is not None and known[0] == ordinal:
            return known[1]
        time = None
        for entry in await self.bus.range(place, ordinal, ordinal, count=1):
            for event in read(place, entry).events[-1:]:
                if isinstance(event, ReadingsEvent):
                    time = int(event.readings.time[-1 if newest else 0]) if len(event) else None
                else:
                    time = event.time
        self._times[place, newest] = ordinal, time
        return time


async def _archived(archive: Archive | None, places: Sequence[Place]) -> dict[Place, int]:
    """The last ordinal that is archived; nothing where there is no archive, or it cannot be read: doctor says why."""
    if archive is None or not places:
        return {}
    try:
        return await archive.ends(places)
    except (Unavailable, CorruptEvent):
        return {}


def _told(chosen: Any, times: Sequence[int | None]) -> str:
    known = [time for time in times if time is not None]
    return iso(chosen(known)) if known else ""
