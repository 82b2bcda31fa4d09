"""The archive: what was in the log, in files. It is written before anything is trimmed, and read as the log is."""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import pyarrow as pa
from anyio import to_thread

from contracts.errors import CorruptEvent, PositionMoved, Unavailable

from ..protocol import Entry, Place, Snapshot
from .checkpoints import Checkpoints
from .disk import locked, publish, told
from .manifest import NAME as MANIFEST
from .manifest import Manifest
from .segment import Content, Segment, Summary, digest_of, entries_of, lasts

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

T = TypeVar("T")

#: Row groups that are kept decoded: a few megabytes each.
_CACHED = 8
_STORE = "store-id"


class Archive:
    """The archive of one log, in ``folder``; it may be shared by machines that see the same files.

    ``identity`` is the log's. Without one, any archive can be read. Every method raises Unavailable when the disk
    does not do what it should or the folder holds the archive of another log, and CorruptEvent when bytes are not the
    ones that were written. Work on files is done in threads.
    """

    def __init__(self, folder: Path, identity: str = "", partitions: int = 0) -> None:
        self.folder, self.identity, self.partitions = folder, identity, partitions
        self.checkpoint_files = Checkpoints(folder / "checkpoints")
        self._manifests: dict[Place, Manifest] = {}
        self._cache: OrderedDict[tuple[str, int], list[Entry]] = OrderedDict()
        self._bounds: dict[str, list[int]] = {}
        self._guard = Lock()
        self._checked = False

    # ---- reading

    async def places(self) -> list[Place]:
        """Every place that has segments."""
        return await self._run(self._places)

    async def segments(self, place: Place) -> list[Segment]:
        """The segments of a place, in order."""
        return list(await self._run(self._manifest(place).segments))

    async def end(self, place: Place) -> int:
        """The last ordinal that is archived; 0 where nothing is."""
        return (await self.ends([place]))[place]

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        """As of a log."""
        return await self._run(lambda: {place: self._manifest(place).end for place in places})

    async def starts(self, places: Sequence[Place]) -> dict[Place, int]:
        """As of a log."""

        def look() -> dict[Place, int]:
            found = {place: self._manifest(place).segments() for place in places}
            return {place: segments[0].first if segments else 1 for place, segments in found.items()}

        return await self._run(look)

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        """As of a log: up to ``count`` entries that hold any of the events ``first`` to ``last``.

        Only the row groups that hold them are read.
        """
        return await self._run(partial(self._range, place, first, last, count))

    async def verify(self, segment: Segment) -> None:
        """Read a segment back, and compare it with what was archived.

        Raises CorruptEvent when the file, an ordinal or an entry is another.
        """
        await self._run(partial(self._verify, segment))

    # ---- writing

    async def add(self, place: Place, entries: Sequence[Entry]) -> Segment:
        """Write entries that follow each other and come after everything archived, and list them.

        Raises PositionMoved when more is archived already, and ValueError when they do not follow each other.
        """
        return await self._run(partial(self._add, place, entries))

    async def drop(self, segment: Segment) -> None:
        """Take a segment away that must not be read: it is damaged, or of a log that lost its end."""
        await self._run(partial(self._drop, segment))

    # ---- checkpoints

    async def checkpoints(self, partition: int, task: str) -> list[int]:
        """Where there are copies of a task's snapshots, in order."""
        return await self._run(partial(self.checkpoint_files.positions, partition, task))

    async def checkpoint(self, partition: int, task: str, position: int) -> Snapshot:
        """The copy of a snapshot at one of these positions.

        Raises NotFound when there is none.
        """
        return await self._run(partial(self.checkpoint_files.load, partition, task, position))

    async def keep(self, partition: int, task: str, snapshot: Snapshot, *, most: int) -> None:
        """Keep a copy of a snapshot; of more than ``most`` copies the older ones are thinned to one a day."""

        def save() -> None:
            self.checkpoint_files.save(partition, task, snapshot)
            self.checkpoint_files.prune(partition, task, most)

        await self._run(save)

    async def drop_checkpoints(self, partition: int, task: str, *, after: int) -> None:
        """Remove the copies behind a position: they belong to a log that lost its end."""
        await self._run(partial(self.checkpoint_files.drop_after, partition, task, after))

    # ---- in a thread

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with told(self.folder):
                self._check()
                return work()

        return await to_thread.run_sync(guarded)

    def _check(self) -> None:
        """Whether this is the archive of our log. Once: a folder does not become another one's while we run."""
        if self._checked or not self.identity:
            return
        path = self.folder / _STORE
        found = path.read_text().strip() if path.exists() else ""
        if found and found != self.identity:
            raise Unavailable(
                f"archive: {self.folder} belongs to another log ({found}, this is {self.identity})",
                mend="Set archive.path to the folder of this log, or move the other one away",
            )
        self._checked = bool(found)

    def _claim(self) -> None:
        """Say whose archive this is, before the first segment."""
        if self.identity and not self._checked:
            publish(self.folder / _STORE, lambda file: _write(file, f"{self.identity}\n".encode()))
            self._checked = True

    def _manifest(self, place: Place) -> Manifest:
        return self._manifests.setdefault(place, Manifest(self.folder, place))

    def _places(self) -> list[Place]:
        found = []
        for path in self.folder.glob(f"stream=*/partition=*/{MANIFEST}"):
            stream, partition = path.parent.parent.name, path.parent.name
            found.append(Place(stream.removeprefix("stream="), int(partition.removeprefix("partition="))))
        return sorted(found)

    def _add(self, place: Place, entries: Sequence[Entry]) -> Segment:
        manifest = self._manifest(place)
        summary = Summary.of(place, entries)
        self._claim()
        # Two processes may both believe that the place is theirs: the second one finds what the first has written.
        with locked(manifest.path.parent):
            if summary.content.first <= manifest.end:
                text = f"{place} is archived up to {manifest.end}: {summary.content.first} cannot follow"
                raise PositionMoved(text, str(manifest.end))
            manifest.tidy()
            file = summary.file(manifest.folder)
            publish(self.folder / file, summary.write)
            segment = summary.segment(file, self.folder / file)
            manifest.add(segment)
        return segment

    def _drop(self, segment: Segment) -> None:
        manifest = self._manifest(segment.place)
        with locked(manifest.path.parent):
            manifest.drop(segment)
        with self._guard:
            self._bounds.pop(segment.file, None)
            for key in [key for key in self._cache if key[0] == segment.file]:
                del self._cache[key]

    def _verify(self, segment: Segment) -> None:
        path = self._there(segment)
        if path.stat().st_size != segment.size or digest_of(path) != segment.digest:
            raise damaged(path, "its bytes are not the ones that were written")
        file = self._opened(segment)
        groups = range(len(self._bounds[segment.file]))
        try:
            found = Content.of(entry for group in groups for entry in entries_of(file, group))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise damaged(path, str(error)) from error
        if found != segment.inside:
            raise damaged(path, "its entries are not the ones that were written")

    def _range(self, place: Place, first: int, last: int, count: int) -> list[Entry]:
        found: list[Entry] = []
        for segment in self._manifest(place).holding(max(first, 1), last):
            bounds = self._known_bounds(segment)
            for group in range(bisect_left(bounds, first), len(bounds)):
                for entry in self._group(segment, group):
                    if entry.first > last or len(found) >= count:
                        return found
                    if entry.last >= first:
                        found.append(entry)
        return found

    def _known_bounds(self, segment: Segment) -> list[int]:
        if segment.file not in self._bounds:
            self._opened(segment)
        return self._bounds[segment.file]

    def _group(self, segment: Segment, group: int) -> list[Entry]:
        key = (segment.file, group)
        with self._guard:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        try:
            entries = entries_of(self._opened(segment), group)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise damaged(self.folder / segment.file, str(error)) from error
        with self._guard:
            self._cache[key] = entries
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return entries

    def _opened(self, segment: Segment) -> "ParquetFile":
        from pyarrow.parquet import ParquetFile

        path = self._there(segment)
        try:
            file = ParquetFile(path)
            self._bounds[segment.file] = lasts(file)
        except (pa.ArrowException, OSError, ValueError, AttributeError) as error:
            raise damaged(path, str(error)) from error
        return file

    def _there(self, segment: Segment) -> Path:
        path = self.folder / segment.file
        if not path.exists():
            raise damaged(path, "it is gone")
        return path


def damaged(path: Path, what: str) -> CorruptEvent:
    """The error of a segment that cannot be used."""
    return CorruptEvent(
        f"archive: {path}: {what}",
        mend="Restore the file from a backup; `tocsin archive verify` names all that are damaged",
    )


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
