"""Choosing where a replay begins: at the saved states nearest to it, rather than at the beginning of the log.

Upstream first. A task whose input is taken as recorded begins at the last state that was saved before the time asked
for. A task whose input comes out again begins at the last one that is not ahead of where that input goes on; what lies
between is in the record. Any earlier state would give the same, only later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bus.history import History
from bus.protocol import Entry, Place, Snapshot
from bus.saved import Saved
from bus.window import Span, bounds
from contracts.errors import CorruptEvent, NotFound
from contracts.events import EVENTS, DriftAcknowledged, ModelServed
from contracts.instants import LATEST, SECOND

from ..parts import Processor
from ..runtime.lanes.maker import maker_of
from ..topology import Placed, Topology
from .passage import Passage, Start

#: Input that is read behind the end of the time asked for: what it shows of that time still belongs to it.
AFTER_NS = 900 * SECOND
#: Of several writers to a stream one may have been ahead of another by so many events of its input, and what was said
#: of the time asked for may have been said so many events later.
MORE_EVENTS = 200_000
#: Of these the time says nothing about where they stand: what they bring to an end has the time of what is before them.
_ASIDE = (DriftAcknowledged, ModelServed)
_PAGE = 64


@dataclass(frozen=True)
class Planner:
    """Plans passages: ``chosen`` parts run again, for events from ``since`` to ``until`` (event time, ns)."""

    topology: Topology
    chosen: Sequence[Placed]
    history: History
    saved: Saved | None
    since: int
    until: int

    async def passage(self, partition: int) -> Passage | None:
        """What to run again of a partition; None where nothing happened at that time.

        Raises NotFound when what a task needs to begin with is in no archive and not in the log any more.
        """
        tasks, spans = list(self._tasks()), dict[str, Span | None]()
        while True:
            written = {stream for task in tasks for stream in task.writes}
            inputs = {task.stream for task in tasks} - written
            for stream in sorted(inputs - set(spans)):
                spans[stream] = await self._bounds(Place(stream, partition))
            idle = {task.task for task in tasks if task.stream in inputs and spans[task.stream] is None}
            if not idle:
                break
            # Nothing to read, nothing to run: what such a task wrote is an input itself, for those who read it.
            tasks = [task for task in tasks if task.task not in idle]
        if not tasks:
            return None
        return await self._planned(partition, tasks, {name: span for name, span in spans.items() if span})

    async def _planned(self, partition: int, tasks: Sequence[Start], known: Mapping[str, Span]) -> Passage:
        starts: list[Start] = []
        for task in _upstream_first(tasks):
            feeders = [start.ends.get(task.stream, 0) for start in starts if task.stream in start.writes]
            limit = known[task.stream][0] - 1 if task.stream in known else min(feeders, default=0)
            starts.append(await self._start(partition, task, limit))
        given = {
            stream: (min(start.position for start in starts if start.stream == stream), last)
            for stream, (_, last) in known.items()
            if any(start.stream == stream for start in starts)
        }
        written = sorted({stream for task in tasks for stream in task.writes})
        places = [Place(stream, partition) for stream in (*written, *given)]
        ends = {place.stream: end for place, end in (await self.history.ends(places)).items()}
        more = {stream: min(ends[stream], last + MORE_EVENTS) for stream, (_, last) in given.items()}
        recorded = {stream: ends[stream] for stream in written}
        passage = Passage(partition, tuple(starts), given, more=more, last=recorded, copied=frozenset(self._others()))
        return replace(passage, turns=await self._turns(passage))

    async def _turns(self, passage: Passage) -> dict[str, int]:
        """The streams that are written again by several, or beside others."""
        others = {
            kind.stream
            for item in self.topology.placed
            if item.name not in {chosen.name for chosen in self.chosen}
            for kind in item.part.writes()
        }
        mixed = sorted(stream for stream in passage.merged() if len(passage.own(stream)) > 1 or stream in others)
        spans = {stream: await bounds(self.history, passage.place(stream), self.since, self.until) for stream in mixed}
        return {stream: span[1] for stream, span in spans.items() if span}

    async def _bounds(self, place: Place) -> Span | None:
        until = min(self.until, LATEST - AFTER_NS) + AFTER_NS
        span = await bounds(self.history, place, self.since, until)
        return (span[0], await self._behind(place, span[1])) if span else None

    async def _behind(self, place: Place, last: int) -> int:
        """The end of what stands aside right behind an ordinal: it belongs to what is before it."""
        end = (await self.history.ends([place]))[place]
        while last < end and (entries := await self.history.range(place, last + 1, end, count=_PAGE)):
            for entry in entries:
                if not _is_aside(entry):
                    return last
                last = entry.last
        return last

    def _tasks(self) -> Iterator[Start]:
        for item in self.chosen:
            if isinstance(item.part, Processor):
                for stream in self.topology.inputs(item.part):
                    yield Start(f"{item.name}<{stream}", item.part, stream)

    def _others(self) -> Iterator[str]:
        """The tasks that are taken as recorded."""
        chosen = {item.name for item in self.chosen}
        for item in self.topology.placed:
            if item.name not in chosen:
                yield from (f"{item.name}<{stream}" for stream in self.topology.inputs(item.part))

    async def _start(self, partition: int, task: Start, limit: int) -> Start:
        for position in reversed(await self.saved.positions(partition, task.task) if self.saved else []):
            if not 0 < position <= limit:
                continue
            snapshot = await self._loaded(partition, task.task, position)
            # Of a state that does not say where its outputs stood nobody knows what follows it.
            if snapshot is not None and task.writes <= set(snapshot.ends):
                return _begun(partition, task, snapshot)
        place = Place(task.stream, partition)
        begin = (await self.history.starts([place]))[place]
        if begin > 1 and limit > 0:
            raise NotFound(
                f"{task.task} cannot begin on partition {partition}: no state of it is saved at or before {limit:,}, "
                f"and {task.stream} before {begin:,} is neither in the log nor in an archive",
                mend="Ask for a later --from, or give the archive that holds what was trimmed (archive.path)",
            )
        return task

    async def _loaded(self, partition: int, task: str, position: int) -> Snapshot | None:
        assert self.saved is not None  # noqa: S101 - it told the position
        try:
            return await self.saved.load(partition, task, position)
        except (CorruptEvent, NotFound):
            return None


def _is_aside(entry: Entry) -> bool:
    return EVENTS.get(entry.fields.get(b"t", b"").decode(errors="replace").partition("/")[0]) in _ASIDE


def _upstream_first(tasks: Sequence[Start]) -> Iterator[Start]:
    left = list(tasks)
    while left:
        waiting = {stream for task in left for stream in task.writes}
        # Tasks that feed each other in a circle have no upstream: they begin at the beginning, as they come.
        ready = [task for task in left if task.stream not in waiting] or left
        yield from ready
        left = [task for task in left if task not in ready]


def _begun(partition: int, task: Start, snapshot: Snapshot) -> Start:
    """The task at a saved state, or with a fresh one at its position where the saved one is of another shape."""
    position = int(snapshot.position)
    try:
        task.part.load(snapshot.data)
    except CorruptEvent:
        note = (
            f"{task.task} begins anew at {position:,} of partition {partition}: the state of that time does not fit. "
            "Its results count once it has seen enough; --whole begins at the beginning of the log"
        )
        return replace(task, position=position, ends=snapshot.ends, note=note)
    note = ""
    if snapshot.maker and snapshot.maker != maker_of(task.part):
        note = f"{task.task} begins with a state that another configuration, model or version made"
    return replace(task, position=position, state=snapshot.data, ends=snapshot.ends, note=note)
