"""Running the processors again on a recorded log, in a sandbox: an in-memory bus, and no sink at all.

The same lanes as in the live service, so the same outputs; nothing can leave, because nothing here can reach out.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bus.memory import MemoryBus
from bus.protocol import Commit, Entry, Log, Place
from contracts.events import ReadingsAcquired
from contracts.settings import BusSettings

from .parts import Processor
from .runtime.home import Home
from .runtime.lane import Lane
from .runtime.processing import portions
from .topology import Placed, Topology

_PAGE = 64
_TASK = "replay"
_TOKEN = 1

Progress = Callable[[int], None]


@dataclass
class Rerun:
    """A sandbox in which the processors of a topology read what sources once wrote."""

    topology: Topology
    partitions: int

    def __post_init__(self) -> None:
        self.bus = MemoryBus(self.partitions)
        self.home = Home(self.bus, _TASK, BusSettings(partitions=self.partitions))
        self._lanes: dict[tuple[str, Place], Lane] = {}
        self._fed: dict[Place, int] = {}

    async def feed(self, recorded: Log, partition: int, last: int, progress: Progress) -> None:
        """Put the acquired readings of a partition, up to an ordinal, through all processors."""
        place = Place(ReadingsAcquired.stream, partition)
        async for entries in _pages(recorded, place, last):
            await self._take(place, entries)
            await self._drain(partition)
            progress(sum(entry.count for entry in entries))

    async def _take(self, place: Place, entries: Sequence[Entry]) -> None:
        before = self._fed.get(place, 0)
        self._fed[place] = entries[-1].last
        frames = [(place.stream, entry.frame()) for entry in entries]
        commit = Commit(place.partition, _TASK, _TOKEN, str(before or ""), str(entries[-1].last), frames)
        await self.bus.commit(commit)

    async def _drain(self, partition: int) -> None:
        """Let every processor read what is there, until none has anything left."""
        moved = True
        while moved:
            moved = False
            for item in self.topology.placed:
                if isinstance(item.part, Processor):
                    for stream in self.topology.inputs(item.part):
                        moved |= await self._advance(item, item.part, Place(stream, partition))

    async def _advance(self, item: Placed, part: Processor[object, object, object], place: Place) -> bool:
        task = f"{item.name}<{place.stream}"
        lane = self._lanes.get((task, place))
        if lane is None:
            lane = self._lanes[task, place] = Lane(self.home, part, task, place, _TOKEN)
            await lane.open()
        found = await self.bus.read({place: lane.position}, count=1_000_000)
        for entries in portions(found.get(place, []), self.home.settings.read_events):
            await lane.step_or_bury(entries)
        return bool(found)


async def _pages(log: Log, place: Place, last: int) -> AsyncIterator[list[Entry]]:
    first = 1
    while first <= last:
        entries = await log.range(place, first, last, count=_PAGE)
        if not entries:
            return
        yield entries
        first = entries[-1].last + 1
