"""Taking a backup of an installation that runs."""

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from bus.archive import Archive
from bus.history import history_of
from bus.protocol import Entry, Place
from bus.redis.bus import RedisBus
from bus.redis.copying import PartitionCopy, copied
from bus.scan import STREAMS
from contracts.errors import Unavailable
from contracts.settings import ARCHIVE, Settings

from .keeping import Keeper

#: Events of the log in one file.
_SEGMENT = 200_000
_PAGE = 512
LOG, LISTS, PARTITIONS, DATABASE, CONFIG = "log", "lists", "partitions.json", "mlflow.db", "tocsin.json"


@dataclass
class Taking:
    """One backup; everything that differs each time goes below ``states/<stamp>``."""

    settings: Settings
    bus: RedisBus
    keeper: Keeper
    stamp: str

    @property
    def state(self) -> str:
        """Folder of what differs each time."""
        return f"states/{self.stamp}"

    async def take(self, shown: dict[str, Any]) -> tuple[dict[str, int], str]:
        """Copy everything; the ends of the streams, and where MLflow's artifacts were.

        First the log: what is copied later may know more, and nothing that the log tells of is missing.
        Raises Unavailable, CorruptEvent.
        """
        starts = await self.bus.starts([Place(name, n) for name in STREAMS for n in range(self.bus.partitions)])
        copies = [await copied(self.bus, number) for number in range(self.bus.partitions)]
        for copy in copies:
            await self._log(copy, starts)
        plain = json.dumps([copy.plain() for copy in copies], separators=(",", ":")).encode()
        self.keeper.write(f"{self.state}/{PARTITIONS}", plain)
        await self._archive(copies)
        await anyio.to_thread.run_sync(partial(self._files, shown))
        ends = {f"{name}/{copy.partition}": last for copy in copies for name, last in copy.ends.items()}
        return ends, self._artifacts()

    async def _log(self, copy: PartitionCopy, starts: Mapping[Place, int]) -> None:
        """What the streams hold, from where they began before the partition was copied to where they ended then."""
        # What was trimmed since is in the archive.
        history = history_of(self.settings, self.bus)
        target = Archive(self.keeper.folder / self.state / LOG)
        for stream, last in sorted(copy.ends.items()):
            place = Place(stream, copy.partition)
            async for entries in _runs(history, place, starts.get(place, 1), last):
                segment = await target.add(place, entries)
                self.keeper.note(f"{self.state}/{LOG}/{segment.file}")
        for path in sorted((self.keeper.folder / self.state / LOG).glob(f"*/partition={copy.partition:04d}/*.jsonl")):
            self.keeper.note(path.relative_to(self.keeper.folder).as_posix())

    async def _archive(self, copies: Sequence[PartitionCopy]) -> None:
        """Segments as far as the log knew of them: later ones would meet others with the same ordinals."""
        folder = self.settings.archive_dir
        source, known = Archive(folder), {copy.partition: copy for copy in copies}
        for place in await source.places():
            upto = known[place.partition].position(f"{ARCHIVE}<{place.stream}") if place.partition in known else 0
            chosen = [segment for segment in await source.segments(place) if segment.last <= upto]
            for segment in chosen:
                await anyio.to_thread.run_sync(self.keeper.keep, folder / segment.file, f"archive/{segment.file}")
            if chosen:
                lines = b"".join(segment.line() for segment in chosen)
                self.keeper.write(f"{self.state}/{LISTS}/{place.stream}/{place.partition}", lines)
        await anyio.to_thread.run_sync(self.keeper.keep_all, folder / "checkpoints", "archive/checkpoints")

    def _files(self, shown: dict[str, Any]) -> None:
        data_dir = self.settings.data_dir
        self.keeper.write(f"{self.state}/{CONFIG}", json.dumps(shown, indent=1).encode())
        database = data_dir / "mlflow" / "mlflow.db"
        if self._artifacts() and database.exists():
            # The database first: the artifacts of every version that it has are there.
            self._database(database)
            self.keeper.keep_all(data_dir / "mlflow" / "artifacts", "artifacts")
        self.keeper.keep_all(data_dir / "bundles", "bundles")

    def _artifacts(self) -> str:
        """Where a local store of MLflow keeps its artifacts; empty where a server has its own."""
        from models.tracking import Store

        return "" if self.settings.mlflow.uri else Store.local(self.settings.data_dir).artifacts or ""

    def _database(self, source: Path) -> None:
        """A copy of the database at one moment, whoever writes to it meanwhile."""
        path = f"{self.state}/{DATABASE}"
        target = self.keeper.folder / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with closing(sqlite3.connect(source, timeout=30)) as there, closing(sqlite3.connect(target)) as here:
                there.backup(here)
        except sqlite3.Error as error:
            raise Unavailable(f"{source} cannot be copied: {error}", mend="See: tocsin doctor") from error
        self.keeper.note(path)


async def _runs(history: Any, place: Place, first: int, last: int) -> AsyncIterator[list[Entry]]:
    """Entries of a stream in portions that follow each other without a hole."""
    run: list[Entry] = []
    while first <= last:
        page = [entry for entry in await history.range(place, first, last, count=_PAGE) if entry.last <= last]
        if not page:
            break
        for entry in page:
            if run and (entry.first != run[-1].last + 1 or run[-1].last - run[0].first >= _SEGMENT):
                yield run
                run = []
            run.append(entry)
        first = page[-1].last + 1
    if run:
        yield run
