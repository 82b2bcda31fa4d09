"""What came into some streams since one looked last, in all partitions."""

from collections.abc import Sequence

from contracts.events import AnyEvent

from .protocol import Place, Recorded
from .scan import scan


class News:
    """Reads streams of few events, from their beginning on; each event is given once.

    Events of one partition come in their order; between partitions there is none.
    """

    def __init__(self, kinds: Sequence[type[AnyEvent]], *, latest: int | None = None) -> None:
        """``latest``: of what is there at the first look only about so many events of each place; None: all."""
        self.kinds, self.latest = tuple(kinds), latest
        self._next: dict[Place, int] = {}

    async def read(self, log: Recorded) -> list[AnyEvent]:
        """Raises Unavailable; what was not given then is given next time."""
        streams = sorted({kind.stream for kind in self.kinds})
        places = [Place(stream, number) for stream in streams for number in range(log.partitions)]
        ends, found = await log.ends(places), list[AnyEvent]()
        reached = dict(self._next)
        for place in places:
            first = reached.get(place, 1 if self.latest is None else max(1, ends[place] - self.latest + 1))
            if ends[place] < first:
                continue
            async for each in scan(log, place, first, ends[place]):
                found += [event for event in each.events if isinstance(event, self.kinds)]
            reached[place] = ends[place] + 1
        self._next = reached
        return found
