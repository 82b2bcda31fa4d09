"""Taking the census of a log: from some days back, then on from where it stopped, a bounded part at a time."""

from dataclasses import dataclass, field

import numpy as np

from bus.history import History
from bus.protocol import Place, Recorded
from bus.scan import scan
from bus.window import spans
from contracts.events import ReadingsAcquired
from contracts.instants import DAY, LATEST

from .census import DAYS, Census

#: Readings in one go: about a second's work.
MOST = 2_000_000


@dataclass
class Counting:
    """A census with the places it has come to."""

    census: Census = field(default_factory=Census)
    _next: dict[Place, int] = field(default_factory=dict)

    async def go_on(self, log: Recorded, now: int, most: int = MOST) -> bool:
        """Count what is new; whether everything is counted now. Raises Unavailable."""
        history = log if isinstance(log, History) else History(None, log)
        places = [Place(ReadingsAcquired.stream, number) for number in range(log.partitions)]
        ends = await log.ends(places)
        left = most
        for place in places:
            if place not in self._next:
                self._next[place] = await self._beginning(history, place, now)
            while self._next[place] <= ends[place] and left > 0:
                left -= await self._count(log, place, min(ends[place], self._next[place] + left))
        self.census.forget(now)
        return left > 0

    async def _beginning(self, history: History, place: Place, now: int) -> int:
        found = await spans(history, place, now - (DAYS + 1) * DAY, LATEST)
        return found[0][0] if found else 1

    async def _count(self, log: Recorded, place: Place, last: int) -> int:
        first = self._next[place]
        async for found in scan(log, place, first, last):
            for event in found.events:
                if isinstance(event, ReadingsAcquired):
                    readings = event.readings
                    # An entry that was counted in part is not counted twice.
                    known = max(0, first - readings.first)
                    self.census.count(readings.take(np.arange(known, len(readings))) if known else readings)
            last = max(last, found.entry.last)
        self._next[place] = last + 1
        return last - first + 1
