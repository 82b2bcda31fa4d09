"""Running processors again on a recorded log, in a sandbox: an in-memory bus, and no sink at all.

The same lanes as in the live service, so the same outputs; nothing can leave, because nothing here can reach out.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from bus.protocol import Commit, Entry, Place, Recorded, Snapshot
from bus.sandbox import Sandbox, Turns, writer_of
from contracts.events import EVENTS, ReadingsAcquired
from contracts.settings import BusSettings

from ..parts import Processor
from ..runtime.appetite import portions
from ..runtime.home import Home
from ..runtime.lanes.burials import buried
from ..runtime.lanes.lane import Lane
from ..state import dump
from ..topology import Topology
from .passage import Passage, Start

_PAGE = 64
_OWNER = "replay"
_TOKEN = 1

Progress = Callable[[int], None]
Look = Callable[[], Awaitable[None]]
Lacks = Callable[[], Awaitable[bool]]


@dataclass
class Rerun:
    """A sandbox in which the processors of a topology read what was recorded."""

    topology: Topology
    partitions: int
    bus: Sandbox = field(init=False)

    def __post_init__(self) -> None:
        self.bus = Sandbox(self.partitions)
        self.home = Home(self.bus, _OWNER, BusSettings(partitions=self.partitions))
        self._lanes: list[Lane] = []

    async def feed(self, recorded: Recorded, partition: int, last: int, progress: Progress) -> None:
        """Put the acquired readings of a partition, from the first to an ordinal, through all processors."""
        starts = [
            Start(f"{item.name}<{stream}", item.part, stream)
            for item in self.topology.placed
            if isinstance(item.part, Processor)
            for stream in self.topology.inputs(item.part)
        ]
        passage = Passage(partition, tuple(starts), {ReadingsAcquired.stream: (0, last)})
        # What the log says besides of what is to be done with readings, as which model serves, stands where it stood.
        written = [Place(stream, partition) for stream in passage.outputs()]
        ends = {place.stream: end for place, end in (await recorded.ends(written)).items()}
        await self.run(recorded, replace(passage, last=ends), progress)

    async def run(
        self,
        recorded: Recorded,
        passage: Passage,
        progress: Progress,
        look: Look | None = None,
        lacks: Lacks | None = None,
    ) -> None:
        """Let a passage happen again.

        ``look`` is called now and then, and at the end, to see what came out. As long as ``lacks`` says that something
        has not, the inputs are read on, as far as the passage allows.
        """
        self._lanes = []
        await self._begin(recorded, passage)
        await self._drain(passage)
        for stream, (after, last) in passage.inputs.items():
            async for entries in _pages(recorded, passage.place(stream), after + 1, last):
                await self._take(passage, stream, entries, look)
                progress(sum(entry.count for entry in entries))
        await self._read_on(recorded, passage, look, lacks)
        for stream in passage.merged():
            # What waits for a turn that will not come: the record ends here, or differs.
            self.bus.finish(passage.place(stream))
            await self._drain(passage)
        if look is not None:
            await look()

    async def _take(self, passage: Passage, stream: str, entries: list[Entry], look: Look | None) -> None:
        self.bus.put(passage.place(stream), entries)
        await self._drain(passage)
        if look is not None:
            await look()

    async def _read_on(self, recorded: Recorded, passage: Passage, look: Look | None, lacks: Lacks | None) -> None:
        """Until what is asked for came out where it stood: behind what others wrote who were further then."""
        for stream, last in passage.more.items():
            async for entries in _pages(recorded, passage.place(stream), passage.inputs[stream][1] + 1, last):
                there = all(self.bus.reached(passage.place(each), upto) for each, upto in passage.turns.items())
                if there and not (lacks and await lacks()):
                    return
                await self._take(passage, stream, entries, look)

    async def forget(self, place: Place) -> None:
        """Give back the memory of what no lane needs any more."""
        await self.bus.trim(place, (await self.bus.ends([place]))[place])

    async def _begin(self, recorded: Recorded, passage: Passage) -> None:
        for stream, (after, _) in passage.inputs.items():
            self.bus.start_at(passage.place(stream), after)
        merged = passage.merged()
        for stream, after in passage.outputs().items():
            self.bus.start_at(passage.place(stream), after)
            if stream in merged and passage.last.get(stream, 0) > after:
                own, last = passage.own(stream), passage.last[stream]
                foreign = _foreign(passage.copied)
                self.bus.merge(Turns(recorded, passage.place(stream), after, last, own, foreign))
        for start in passage.starts:
            await self._open(recorded, passage.place(start.stream), start)

    async def _open(self, recorded: Recorded, place: Place, start: Start) -> None:
        """A lane that stands where the task begins."""
        partition = place.partition
        if start.position:
            await self.bus.commit(Commit(partition, start.task, _TOKEN, "", str(start.position)))
        state = dump(start.part.start()) if start.state is None else start.state
        await self.bus.save(partition, start.task, _TOKEN, Snapshot(str(start.position), state))
        killed = await buried(recorded, start.task, place)
        lane = Lane(self.home, start.part, start.task, place, _TOKEN, buried=killed)
        await lane.open()
        self._lanes.append(lane)

    async def _drain(self, passage: Passage) -> None:
        """Let every processor read what is there, until none has anything left."""
        moved = True
        while moved:
            moved = False
            for lane in self._lanes:
                moved |= await self._advance(lane)
            for place in map(passage.place, sorted(passage.merged())):
                moved |= await self.bus.take_turns(place)

    async def _advance(self, lane: Lane) -> bool:
        found = await self.bus.read({lane.place: lane.position}, count=1_000_000)
        for entries in portions(found.get(lane.place, []), self.home.settings.read_events):
            await lane.step_or_bury(entries)
        await lane.save_if_due()
        return bool(found)


def _foreign(copied: frozenset[str]) -> Callable[[Entry], bool]:
    """Whether an entry that nobody writes again is taken as it was: by tasks that do not run again, and the runtime."""

    def taken(entry: Entry) -> bool:
        kind = EVENTS.get(entry.fields.get(b"t", b"").decode(errors="replace").partition("/")[0])
        return writer_of(entry) in copied or (kind is not None and kind.operational)

    return taken


async def _pages(recorded: Recorded, place: Place, first: int, last: int) -> AsyncIterator[list[Entry]]:
    while first <= last:
        entries = await recorded.range(place, first, last, count=_PAGE)
        if not entries:
            return
        yield entries
        first = entries[-1].last + 1
