"""How far every task is, read from the log alone: any process can look, also at a fleet on other machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.letters import OpenLetters
from agents.parts import Recorder, Sink
from agents.topology import Placed, Topology
from bus.protocol import Bus, Place
from bus.scan import STREAMS, read
from contracts.events import ReadingsEvent

#: Places of one task whose oldest unread entry is looked at: each look may read a megabyte.
_MOST_LOOKS = 8


@dataclass(frozen=True)
class Standing:
    """One task: what it is done with, what it has before it, and who works on it.

    ``pending`` counts entries that a sink took and did not settle. ``oldest_ns`` is the event time of the oldest
    event that it has not read, None when it has read everything.
    """

    task: str
    kind: str
    done: int
    behind: int
    pending: int
    oldest_ns: int | None
    owners: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """Everything that one look at the log tells; ``lengths``: events that each stream holds now."""

    tasks: tuple[Standing, ...]
    lengths: Mapping[str, int]
    open_letters: int
    fullness: float


@dataclass
class Observer:
    """Looks at a log again and again, and remembers what it need not read twice."""

    bus: Bus
    topology: Topology
    _times: dict[Place, tuple[int, int]] = field(default_factory=dict)
    _letters: OpenLetters | None = None

    async def look(self) -> Overview:
        """The present state.

        Raises Unavailable when the server does not answer.
        """
        if self._letters is None:
            self._letters = OpenLetters(self.bus)
        await self._letters.refresh()
        positions = [await self.bus.positions(number) for number in range(self.bus.partitions)]
        tasks = [
            await self._standing(item, stream, positions)
            for item in self.topology.placed
            for stream in self.topology.inputs(item.part)
        ]
        return Overview(tuple(tasks), await self._lengths(), len(self._letters), await self.bus.fullness())

    async def _standing(self, item: Placed, stream: str, positions: list[dict[str, str]]) -> Standing:
        bus, task = self.bus, f"{item.name}<{stream}"
        places = [Place(stream, number) for number in range(bus.partitions)]
        pending, owners = 0, set[str]()
        if isinstance(item.part, Sink):
            kind, done = "sink", await bus.settled(item.name, places)
            holders = await bus.consumers(item.name, places)
            pending = sum(count for held in holders.values() for count in held.values())
            owners = {name for held in holders.values() for name in held}
        else:
            kind = "recorder" if isinstance(item.part, Recorder) else "processor"
            done = {place: int(positions[place.partition].get(task) or 0) for place in places}
            signs = [await bus.sign(place.partition, task) for place in places]
            owners = {sign.partition(" ")[0] for sign in signs if sign}
        # The ends last: what was done before cannot lie behind them.
        ends = await bus.ends(places)
        behind = {place: ends[place] - done[place] for place in places if ends[place] > done[place]}
        times = [await self._time(place, done[place] + 1) for place in sorted(behind)[:_MOST_LOOKS]]
        oldest = min((time for time in times if time is not None), default=None)
        return Standing(task, kind, sum(done.values()), sum(behind.values()), pending, oldest, tuple(sorted(owners)))

    async def _time(self, place: Place, ordinal: int) -> int | None:
        """The event time of one event; None when it is not there any more or cannot be read."""
        known = self._times.get(place)
        if known is not None and known[0] == ordinal:
            return known[1]
        for entry in await self.bus.range(place, ordinal, ordinal, count=1):
            for event in read(place, entry).events:
                if isinstance(event, ReadingsEvent):
                    row = max(0, min(ordinal - entry.first, len(event) - 1))
                    time = int(event.readings.time[row])
                else:
                    time = event.time
                self._times[place] = (ordinal, time)
                return time
        return None

    async def _lengths(self) -> dict[str, int]:
        places = [Place(stream, number) for stream in STREAMS for number in range(self.bus.partitions)]
        ends, starts = await self.bus.ends(places), await self.bus.starts(places)
        lengths = dict.fromkeys(STREAMS, 0)
        for place, end in ends.items():
            lengths[place.stream] += max(0, end - starts[place] + 1)
        return lengths
