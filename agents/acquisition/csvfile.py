"""CSV files, read once from beginning to end."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import anyio.to_thread
from pydantic import Field

from contracts.errors import Unavailable

from ..parts import Harvest
from .tablesource import TableSource, after, harvests_of, resumed

if TYPE_CHECKING:
    from .opened import Opened


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
        reading = Reading(self, name, resume)
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


class Reading:
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
        """The harvests, those of one piece of the file at a time. ``fast=False`` is for tests."""
        from .catalog import Catalog
        from .headers import default_asset, read_header
        from .opened import Fingerprint, Opened
        from .records import Records
        from .table import Table

        source = self._source
        opened = self._opened = Opened(source.path, source.max_ratio, source.max_inflated_bytes)
        print_ = Fingerprint.of(opened.file)
        old = self._state
        if old is not None:
            Fingerprint(old["size"], old["mtime_ns"], old["head"]).require(print_, source.path, old["row"])
        records = Records(opened.read, opened.begin, fast=fast)
        header = read_header(records, source, source.delimiter, str(source.path))
        if header is None:
            raise Unavailable(f"{source.path} is empty", mend="its first line must name the columns")
        layout, delimiter = header
        catalog = Catalog(source.max_series, max(len(layout.values), 1))
        table = Table(layout, source.manner(self._name, default_asset(source.path), fast), catalog)
        fault, row, done = table.header_fault(0), 1, -1
        if old is not None:
            done = old["row"]
            if opened.direct and (old["keys"] is not None or not layout.named_by_rows):
                opened.seek(old["place"])
                records, row = Records(opened.read, old["place"], fast=fast), done + 1
                table.recall(old["time"], old["keys"] or ())
        state = {"v": 1, "size": print_.size, "mtime_ns": print_.mtime_ns, "head": print_.head}
        while (rows := records.rows(len(layout.header), delimiter, layout.used, row)) is not None:
            print_.require(Fingerprint.of(opened.file), source.path, row - 1)
            found = harvests_of(source, table, rows, state, fault)
            fault, row = None, row + rows.count
            if new := [after(harvest, done) for harvest in found if harvest.readings.position[-1] > done]:
                yield new
