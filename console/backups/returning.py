"""Bringing a backup back into an empty folder and an empty server. Every byte is checked before anything is written."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bus.archive import Archive
from bus.archive.manifest import NAME as LIST
from bus.redis.bus import RedisBus
from bus.redis.copying import PartitionCopy, begin, end, put, put_entries
from contracts.errors import CorruptEvent, Unavailable
from contracts.settings import Settings

from .contents import Contents, check
from .taking import DATABASE, LISTS, LOG, PARTITIONS

#: Columns of MLflow's database that say where artifacts are.
_PLACES = (
    *(("experiments", "artifact_location"), ("runs", "artifact_uri"), ("model_versions", "source")),
    *(("model_versions", "storage_location"), ("logged_models", "artifact_location")),
)
_PAGE = 512


@dataclass
class Returning:
    """One restore, of the backup in ``folder``."""

    folder: Path
    contents: Contents
    settings: Settings

    @property
    def state(self) -> Path:
        """What differed each time."""
        return self.folder / "states" / self.contents.stamp

    def verify(self, told: Callable[[str, int], None]) -> None:
        """Check every file of the backup. Raises CorruptEvent with all that are wrong."""
        wrong = []
        for file, problem in check(self.folder, self.contents.files):
            told(file.path, file.size)
            if problem:
                wrong.append(f"{file.path} {problem}")
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise CorruptEvent(
                f"backup {self.folder}: {'; '.join(wrong[:5])}{more}", mend="Nothing was restored; take another backup"
            )

    def files(self, told: Callable[[str, int], None]) -> None:
        """Put archive, bundles and MLflow's store into the data directory.

        Raises Unavailable when there is something already, or the disk is at fault.
        """
        data_dir = self.settings.data_dir
        targets = {"archive": self.settings.archive_dir, "bundles": data_dir / "bundles"}
        targets["artifacts"] = data_dir / "mlflow" / "artifacts"
        for target in (*targets.values(), data_dir / "store-id", data_dir / "redis"):
            if (target.is_dir() and any(target.iterdir())) or target.is_file():
                mend = "Restore into an empty folder: --data-dir"
                raise Unavailable(f"{target} is there already", mend=mend)
        try:
            for file in self.contents.files:
                top, _, rest = file.path.partition("/")
                if top in targets:
                    _copy(self.folder / file.path, targets[top] / rest)
                    told(file.path, file.size)
            self._lists(targets["archive"])
            self._database(data_dir / "mlflow")
        except OSError as error:
            raise Unavailable(f"{data_dir} cannot be written: {error.strerror}", mend="Free space there") from error

    async def log(self, bus: RedisBus, told: Callable[[str, int], None]) -> None:
        """Put events, positions and states into the server, and say at the end whose log it is.

        Raises Unavailable when it holds a log already, CorruptEvent.
        """
        await begin(bus)
        source = Archive(self.state / LOG)
        for place in await source.places():
            for segment in await source.segments(place):
                first = segment.first
                while first <= segment.last and (
                    entries := await source.range(place, first, segment.last, count=_PAGE)
                ):
                    await put_entries(bus, place, entries)
                    first = entries[-1].last + 1
                    told(segment.file, sum(len(value) for entry in entries for value in entry.fields.values()))
        for plain in json.loads((self.state / PARTITIONS).read_bytes()):
            await put(bus, PartitionCopy.parse(plain))
        await end(bus, self.contents.identity)

    def _lists(self, archive: Path) -> None:
        root = self.state / LISTS
        for path in sorted(root.glob("*/*")):
            stream, partition = path.parent.name, int(path.name)
            _copy(path, archive / f"stream={stream}/partition={partition:04d}" / LIST)
        if archive.is_dir():
            (archive / "store-id").write_text(f"{self.contents.identity}\n")

    def _database(self, folder: Path) -> None:
        source = self.state / DATABASE
        if not source.exists():
            return
        _copy(source, folder / "mlflow.db")
        before, now = self.contents.artifacts, (folder.resolve() / "artifacts").as_uri()
        with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
            for table, column in _PLACES:
                if database.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (table, column)).fetchone():
                    database.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608 - names of our own
                        (now, len(before) + 1, len(before), before),
                    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(source, target)
