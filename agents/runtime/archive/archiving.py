"""The loop that archives: streams into files, read back and compared, and only then trimmed.

How far a place is archived is a position like any other, of the task ``archive<STREAM``. Trimming asks it as it asks
every reader, so nothing goes that was not archived, whoever trims. What an owner that died left behind is compared
with the log before it counts.
"""

from collections.abc import Collection, Sequence

import anyio

from bus.archive import Archive, Segment
from bus.protocol import Commit, Entry, Place
from bus.scan import STREAMS
from contracts.errors import CommitRefused, CorruptEvent, Unavailable
from contracts.events import SegmentArchived
from contracts.settings import ARCHIVE, ArchiveSettings

from ...parts import Recorder, Source
from ...topology import Placed, Topology
from ..groups import single_error
from ..home import Home, log, log_gap
from ..ownership import Ownership
from .keeping import Keeper
from .trimming import Trimmer

#: Share of the server's memory above which everything goes that may go. Sources stop at a larger one.
TIGHT = 0.6
#: While memory is tight, a place with fewer new events than this waits for the usual time.
_WORTH_EVENTS = 4_000
_LOOK_S = 1.0
#: Entries and bytes of one read: the server keeps its reply in the memory that is short.
_READ_ENTRIES = 64
_READ_BYTES = 1 << 20
#: Bytes of entries in one segment: they are in our memory at once.
_SEGMENT_BYTES = 64 << 20


class ArchiveRunner:
    """Archives and trims all streams, on the partitions that we own.

    ``configured``: the readers of the configuration. Others that hold a stream back are named in the service's log.
    """

    def __init__(
        self,
        home: Home,
        archive: Archive,
        settings: ArchiveSettings,
        *,
        configured: Collection[str] = (),
        streams: Sequence[str] = STREAMS,
    ) -> None:
        self.home, self.archive, self.settings = home, archive, settings
        self.streams = streams
        self.positions: dict[Place, int] = {}
        self._opened: dict[int, int] = {}
        self._waiting: dict[Place, float] = {}
        self._written: dict[Place, float] = {}
        self._ownership = Ownership(home, ARCHIVE)
        self._keeper = Keeper(home, archive, settings)
        self._trimmer = Trimmer(home, {*configured, *map(task_of, streams)})

    # ---- life

    async def run(self) -> None:
        """Archive until everything stops."""
        # After a failure nothing is taken for granted.
        self.positions.clear()
        self._opened.clear()
        with single_error():
            async with anyio.create_task_group() as group:
                # Beside the work: a slow disk must not cost us the leases.
                group.start_soon(self._stay)
                await self._work()
                group.cancel_scope.cancel()
        await self._ownership.leave()

    async def _stay(self) -> None:
        while not self.home.stopping:
            if self._ownership.due:
                try:
                    changes = await self._ownership.refresh()
                    for partition in changes.surplus:
                        await self._ownership.release(partition)
                except Unavailable as error:
                    # Without memory left no lease can be renewed, and yet we have to go on: fencing keeps it right.
                    log.warning("archive could not renew its leases", cause=str(error))
            await self.home.sleep(min(0.2, self.home.settings.lease_s / 10))

    async def _work(self) -> None:
        clock, look_after = self.home.clock.monotonic_s, 0.0
        while not self.home.stopping:
            await self._open()
            tight = await self.home.bus.fullness() > TIGHT
            if tight or clock() >= look_after:
                look_after = clock() + self.settings.every_s
                await self.look(tight=tight)
            await self.home.sleep(min(_LOOK_S, self.settings.every_s))

    async def _open(self) -> None:
        """Learn where to go on in partitions that we have gained, and forget those that we have lost."""
        held = self._ownership.held
        for place in [place for place in self.positions if held.get(place.partition) != self._opened[place.partition]]:
            del self.positions[place]
        self._opened = {number: token for number, token in self._opened.items() if held.get(number) == token}
        for partition, token in list(held.items()):
            if partition in self._opened:
                continue
            try:
                for stream in self.streams:
                    stored = await self.home.bus.fence(partition, task_of(stream), token)
                    self.positions[Place(stream, partition)] = int(stored or 0)
                    self._opened[partition] = token
                    await self._reconcile(Place(stream, partition))
                await self._keeper.open(partition)
            except CommitRefused as error:
                self._refused(partition, error)

    async def _reconcile(self, place: Place) -> None:
        """Count what was archived and not yet said so, if it is what the log holds.

        It is not when the server lost its end after a power loss, and the log went on another way.
        """
        position, end = self.positions[place], await self.archive.end(place)
        if end < position:
            raise Unavailable(
                f"{place.stream} of partition {place.partition} was archived up to {position}, "
                f"but the archive in {self.archive.folder} ends at {end}",
                mend="Name the folder that was archived to in archive.path, the same on all machines; "
                "or begin a new archive with what the log still holds: `tocsin retire archive`",
            )
        for segment in await self.archive.segments(place):
            if segment.last > position:
                await self._recount(place, segment)

    async def _recount(self, place: Place, segment: Segment) -> None:
        start = (await self.home.bus.starts([place]))[place]
        first, gone = max(start, segment.first), start > segment.first
        ours = await self._gather(place, first, segment.last, segment.events)
        try:
            await self.archive.verify(segment)
            theirs = await self.archive.range(place, first, segment.last, count=segment.entries)
        except CorruptEvent:
            if gone:
                raise
            theirs = []
        if ours == theirs and (ours or gone):
            await self._count(place, segment)
        elif gone:
            raise Unavailable(
                f"archive: {segment.file} is not what {place.stream} of partition {place.partition} holds",
                mend="It belongs to another course of this log: move the archive away, then `tocsin retire archive`",
            )
        else:
            log.warning("archived file does not belong to this log any more", file=segment.file)
            await self.archive.drop(segment)

    def _refused(self, partition: int, error: CommitRefused) -> None:
        # Somebody newer owns it; or it is opened again.
        log.warning("commit refused", task=ARCHIVE, partition=partition, cause=str(error))
        self._opened[partition] = -1

    # ---- archive

    async def look(self, *, tight: bool = False) -> None:
        """Archive what is due, and trim what may go. ``tight``: as much as possible, for the server's memory."""
        ends = await self.home.bus.ends(list(self.positions))
        behind = {place: end - self.positions[place] for place, end in ends.items() if place in self.positions}
        for place in sorted(behind, key=lambda place: behind[place], reverse=True):
            if self.home.stopping or place not in self.positions:
                continue
            try:
                if self._due(place, behind[place], tight):
                    await self._archive(place, ends[place])
                kept = 0 if tight else self.settings.keep_events
                await self._trimmer.trim(place, self.positions[place] - kept)
            except CommitRefused as error:
                self._refused(place.partition, error)
                await self._open()
        await self._keeper.look({place.partition for place in self.positions})

    def _due(self, place: Place, events: int, tight: bool) -> bool:
        if events <= 0:
            self._waiting.pop(place, None)
            return False
        now = self.home.clock.monotonic_s()
        aged = now - self._waiting.setdefault(place, now) >= self.settings.most_age_s
        rested = now - self._written.get(place, -self.settings.every_s) >= self.settings.every_s
        return events >= self.settings.segment_events or aged or (tight and (rested or events >= _WORTH_EVENTS))

    async def _archive(self, place: Place, end: int) -> None:
        while (position := self.positions.get(place, end)) < end and not self.home.stopping:
            entries = await self._gather(place, position + 1, end, self.settings.segment_events)
            if not entries:
                return
            if entries[0].first != position + 1:
                gap = log_gap(task_of(place.stream), place, position + 1, entries[0].first - 1, time=self._now())
                await self.home.tell(place.partition, ARCHIVE, gap)
            segment = await self.archive.add(place, entries)
            try:
                await self.archive.verify(segment)
            except CorruptEvent:
                # It is written again at the next look, from the log.
                await self.archive.drop(segment)
                raise
            await self._count(place, segment)
        self._waiting.pop(place, None)

    async def _gather(self, place: Place, first: int, last: int, events: int) -> list[Entry]:
        """Entries that follow each other, from ``first`` on: as many as go into a segment of ``events``."""
        found: list[Entry] = []
        size = 0
        while first <= last:
            count = max(1, min(_READ_ENTRIES, _READ_BYTES * len(found) // size)) if size else 1
            rows = await self.home.bus.range(place, first, last, count=count)
            for entry in rows:
                size += sum(map(len, entry.fields.values()))
                full = entry.last - found[0].first + 1 > events or size > _SEGMENT_BYTES if found else False
                if found and (full or entry.first != found[-1].last + 1):
                    return found
                found.append(entry)
            if not rows:
                break
            first = rows[-1].last + 1
        return found

    async def _count(self, place: Place, segment: Segment) -> None:
        """Say that a segment is archived: from here on its range may be trimmed."""
        token = self._ownership.held.get(place.partition, 0)
        before, last = self.positions[place], str(segment.last)
        commit = Commit(place.partition, task_of(place.stream), token, str(before or ""), last)
        await self.home.bus.advance(commit)
        self.positions[place] = segment.last
        self._written[place] = self.home.clock.monotonic_s()
        log.info("archived", file=segment.file, events=segment.events, bytes=segment.size)
        # Of itself the archive tells nothing, or it would never be done.
        if place.stream != SegmentArchived.stream:
            await self._tell(place, segment)

    async def _tell(self, place: Place, segment: Segment) -> None:
        event = SegmentArchived.of(
            cause=f"{place.stream}/{segment.first}",
            time=self._now(),
            asset=ARCHIVE,
            discriminator=f"{segment.file} {segment.digest}",
            origin=place.stream,
            first=segment.first,
            last=segment.last,
            file=segment.file,
            digest=segment.digest,
        )
        try:
            await self.home.tell(place.partition, ARCHIVE, event)
        except Unavailable as error:
            # Without memory left news cannot be told, and yet what was archived has to be trimmed.
            log.warning("archived file could not be told to the log", file=segment.file, cause=str(error))

    def _now(self) -> int:
        return self.home.clock.wall_ns()


def archiver_for(
    home: Home, archive: Archive | None, settings: ArchiveSettings, topology: Topology, placed: Sequence[Placed]
) -> ArchiveRunner | None:
    """The archiver of this process, if it is one that archives: one with a recorder, or without any, with a source."""
    kind = Recorder if any(isinstance(item.part, Recorder) for item in topology.placed) else Source
    if archive is None or not settings.enabled or not any(isinstance(item.part, kind) for item in placed):
        return None
    return ArchiveRunner(home, archive, settings, configured=topology.known())


def task_of(stream: str) -> str:
    """The task whose position says how far a stream is archived."""
    return f"{ARCHIVE}<{stream}"
