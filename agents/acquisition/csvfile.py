"""CSV files, read once from beginning to end."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import anyio.to_thread
import structlog
from pydantic import Field

from contracts.errors import Unavailable
from contracts.identity import is_name

from ..parts import Harvest
from .tablesource import TableSource, harvests_of, resumed

if TYPE_CHECKING:
    from .layout import Layout
    from .opened import Opened
    from .records import Records

DELIMITERS = ",;\t|"
SAMPLE_BYTES = 64 * 1024
SAMPLE_ROWS = 100

log = structlog.get_logger(__name__)


class CsvFile(TableSource):
    """Reads a CSV file: plain or gzip, UTF-8 or UTF-16 with a byte order mark, with any of four delimiters.

    The position of a reading is the number of its row; the header is row 0. A last row without a line end is read
    when it has all its fields.
    """

    endless: ClassVar[bool] = False

    kind: Literal["csv"] = "csv"
    path: Path = Field(description="the file")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="empty: found by itself")
    max_ratio: float = Field(default=200, ge=1, description="bytes that one byte of gzip may hold")
    max_inflated_bytes: int = Field(default=2**38, ge=1, description="bytes that a gzip file may hold")

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        reading = _Reading(self, name, resume)
        try:
            batches = reading.harvests()
            while True:
                # A thread, so that a slow disk does not hold up the other agents.
                some = await anyio.to_thread.run_sync(lambda: next(batches, None))
                if some is None:
                    return
                for harvest in some:
                    yield harvest
        finally:
            reading.close()


class _Reading:
    """One pass over one file."""

    def __init__(self, source: CsvFile, name: str, resume: str | None) -> None:
        self._source = source
        self._name = name
        self._state = resumed(resume, name) if resume is not None else None
        self._opened: Opened | None = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def harvests(self, fast: bool = True) -> Iterator[list[Harvest]]:
        """The harvests, those of one piece of the file at a time."""
        from .catalog import Catalog
        from .opened import Fingerprint, Opened
        from .records import Records
        from .table import Table

        source = self._source
        opened = self._opened = Opened(source.path, source.max_ratio, source.max_inflated_bytes)
        print_ = Fingerprint.of(opened.file)
        old = self._state
        if old is not None:
            self._same(Fingerprint(old["size"], old["mtime_ns"], old["head"]), print_, old["row"])
        records = Records(opened.read, opened.begin, fast=fast)
        layout, delimiter = read_header(records, source, str(source.path))
        done, row = 0, 1
        catalog = Catalog(source.max_series, max(len(layout.values), 1))
        table = Table(layout, source.manner(self._name, default_asset(source.path), fast), catalog)
        if old is not None:
            done = old["row"]
            if opened.direct and (old["keys"] is not None or not layout.named_by_rows):
                opened.seek(old["place"])
                records = Records(opened.read, old["place"], fast=fast)
                row = done + 1
                table.last_time = old["time"]
                catalog.keys.update(dict.fromkeys(tuple(key) for key in old["keys"] or ()))
        state = {"v": 1, "size": print_.size, "mtime_ns": print_.mtime_ns, "head": print_.head}
        fault = table.header_fault(0)
        while (rows := records.rows(len(layout.header), delimiter, layout.used, row)) is not None:
            self._same(print_, Fingerprint.of(opened.file), row - 1)
            found = list(harvests_of(source, table, rows, state, None if row > 1 else fault))
            row += rows.count
            if found := [_after(harvest, done) for harvest in found if harvest.readings.position[-1] > done]:
                yield found

    def _same(self, known: Any, found: Any, row: int) -> None:
        """Raise Unavailable when the file is not the one that was read so far."""
        if difference := known.differs(found):
            raise Unavailable(
                f"{self._source.path} changed after {row:,} rows of it were read: {difference}",
                mend="put the old file back, give the source another name to read the new one from the beginning, "
                "or use kind: follow for a file that grows",
            )


def _after(harvest: Harvest, done: int) -> Harvest:
    """Without the rows that are in the log already."""
    import numpy as np

    begin = int(np.searchsorted(harvest.readings.position, done, side="right"))
    if not begin:
        return harvest
    return Harvest(harvest.readings.take(slice(begin, len(harvest.readings))), harvest.resume)
