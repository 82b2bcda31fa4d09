"""A bus that counts and times what passes through it; whoever uses it need not know."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from bus.protocol import Bus, Commit, Entry, Place, Snapshot
from contracts.errors import Fenced, PositionMoved, Rewound, TocsinError, Unavailable
from contracts.frames import Frame

from . import families
from .telemetry import Telemetry

Outputs = Sequence[tuple[str, Frame]]


def metered(bus: Bus, telemetry: Telemetry) -> Bus:
    """The bus, with its writes counted and timed by task, and traced where tracing is on."""
    return cast(Bus, _Metered(bus, telemetry))


class _Metered:
    """Writes are watched; everything else goes straight to the bus."""

    def __init__(self, bus: Bus, telemetry: Telemetry) -> None:
        self._bus, self._telemetry, self._metrics = bus, telemetry, telemetry.metrics
        self._labels: dict[str, str] = {}
        if telemetry.tracing is not None:
            # Only then: reading is the hotter path, and there is nothing else to note in it.
            self.read = self._traced_read

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bus, name)
        if callable(found):
            # The next call does not come here.
            setattr(self, name, found)
        return found

    async def commit(self, commit: Commit) -> None:
        task = self._labels.get(commit.task) or self._labelled(commit.task)
        tracing, clock = self._telemetry.tracing, self._telemetry.clock
        begun = clock()
        try:
            if tracing is None:
                await self._bus.commit(commit)
            else:
                with tracing.commit(commit) as header:
                    await self._bus.commit(replace(commit, outputs=_with(header, commit.outputs)))
        except TocsinError as error:
            self._refused(task, "commit", error)
            raise
        self._metrics.observe(families.COMMIT, task, value=clock() - begun)
        if "<" in task:
            # Only tasks that read a stream have ordinals for positions.
            self._metrics.add(families.READ, task, amount=int(commit.position) - int(commit.expected or 0))
        for _, frame in commit.outputs:
            self._metrics.add(families.WRITTEN, task, frame.type, amount=frame.count)

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Outputs = ()) -> bool:
        with self._refusals(group, "settle"):
            settled = await self._bus.settle(group, place, entry, outputs)
        if settled:
            self._metrics.add(families.READ, group, amount=entry.count)
            for _, frame in outputs:
                self._metrics.add(families.WRITTEN, group, frame.type, amount=frame.count)
        return settled

    async def append(self, place: Place, frames: Sequence[Frame]) -> int:
        with self._refusals(place.stream, "append"):
            last = await self._bus.append(place, frames)
        for frame in frames:
            self._metrics.add(families.WRITTEN, label(frame.writer), frame.type, amount=frame.count)
        return last

    async def save(self, partition: int, task: str, token: int, snapshot: Snapshot) -> None:
        clock, name = self._telemetry.clock, label(task)
        begun = clock()
        with self._refusals(name, "save"), self._telemetry.span("snapshot", task=task, partition=partition):
            await self._bus.save(partition, task, token, snapshot)
        self._metrics.observe(families.SNAPSHOT, name, value=clock() - begun)
        self._metrics.put(families.SNAPSHOT_BYTES, name, value=len(snapshot.data))

    async def fence(self, partition: int, task: str, token: int) -> Any:
        with self._refusals(label(task), "fence"):
            return await self._bus.fence(partition, task, token)

    async def begin(self, partition: int, task: str, token: int, life: str) -> Any:
        with self._refusals(label(task), "begin"):
            return await self._bus.begin(partition, task, token, life)

    async def _traced_read(
        self, after: Mapping[Place, int], *, count: int, block_s: float = 0
    ) -> dict[Place, list[Entry]]:
        found = await self._bus.read(after, count=count, block_s=block_s)
        assert self._telemetry.tracing is not None  # noqa: S101 - else this method is not in use
        self._telemetry.tracing.seen(found)
        return found

    @contextmanager
    def _refusals(self, task: str, operation: str) -> Iterator[None]:
        try:
            yield
        except TocsinError as error:
            self._refused(task, operation, error)
            raise

    def _refused(self, task: str, operation: str, error: TocsinError) -> None:
        if isinstance(error, Fenced):
            self._metrics.add(families.REFUSED, task, "fenced")
        elif isinstance(error, Rewound):
            self._metrics.add(families.REFUSED, task, "rewound")
        elif isinstance(error, PositionMoved):
            self._metrics.add(families.REFUSED, task, "moved")
        elif isinstance(error, Unavailable):
            self._metrics.add(families.UNAVAILABLE, operation)

    def _labelled(self, task: str) -> str:
        found = self._labels[task] = label(task)
        return found


def label(task: str) -> str:
    """A task as a label. What follows a colon is new in every process or run, but for sources."""
    kind, colon, _ = task.partition(":")
    return kind if colon and kind != "source" else task


def _with(header: str, outputs: Outputs) -> Outputs:
    return [(stream, replace(frame, trace=header)) for stream, frame in outputs] if header else outputs
