"""Parquet files, read once from beginning to end."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import anyio.to_thread
from pydantic import Field

from contracts.errors import Unavailable

from ..parts import Harvest
from .tablesource import TableSource, after, harvests_of, resumed

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile as Opened

    from .layout import Layout
    from .rows import Rows
    from .table import Table

SAMPLE_ROWS = 100
_ROWS_AT_ONCE = 16_384


class ParquetFile(TableSource):
    """Reads a Parquet file, a few thousand rows of a row group at a time.

    The position of a reading is the number of its row, from 1.
    """

    endless: ClassVar[bool] = False

    kind: Literal["parquet"] = "parquet"
    path: Path = Field(description="the file")

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        state = resumed(resume, name) if resume is not None else None
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise Unavailable(f"{self.path}: {error.strerror}", mend="check the path") from error
        with file:
            batches = _harvests(self, name, file, state)
            while True:
                some = await anyio.to_thread.run_sync(lambda: next(batches, None))
                if some is None:
                    return
                for harvest in some:
                    yield harvest


def _harvests(source: ParquetFile, name: str, file: Any, old: dict[str, Any] | None) -> Iterator[list[Harvest]]:
    import pyarrow as pa

    try:
        yield from _read(source, name, file, old)
    except (pa.ArrowException, OSError) as error:
        raise Unavailable(f"{source.path}: not a sound Parquet file: {error}", mend="write it again") from error


def _read(source: ParquetFile, name: str, file: Any, old: dict[str, Any] | None) -> Iterator[list[Harvest]]:
    from pyarrow.parquet import ParquetFile as Opened

    from .opened import Fingerprint

    print_ = Fingerprint.of(file)
    if old is not None:
        Fingerprint(old["size"], old["mtime_ns"], old["head"]).require(print_, source.path, old["row"])
    opened = Opened(file)
    layout, table = _table(source, name, opened)
    fault, done, begin = table.header_fault(0), -1, 0
    if old is not None:
        done = old["row"]
        if old["keys"] is not None or not layout.named_by_rows:
            begin = done
            table.recall(old["time"], old["keys"] or ())
    state = {"v": 1, "size": print_.size, "mtime_ns": print_.mtime_ns, "head": print_.head}
    for rows in _rows(opened, layout, begin):
        print_.require(Fingerprint.of(file), source.path, rows.first - 1)
        found = harvests_of(source, table, rows, state, fault)
        fault = None
        if new := [after(harvest, done) for harvest in found if harvest.readings.position[-1] > done]:
            yield new


def _table(source: ParquetFile, name: str, opened: "Opened") -> "tuple[Layout, Table]":
    from .catalog import Catalog
    from .headers import default_asset
    from .layout import layout
    from .table import Table

    schema = opened.schema_arrow
    first = next(opened.iter_batches(batch_size=SAMPLE_ROWS), None)
    columns = [_sample(first.column(number)) if first else [] for number in range(len(schema))]
    found = layout(schema.names, source.wanted(), list(zip(*columns, strict=True)), str(source.path))
    catalog = Catalog(source.max_series, max(len(found.values), 1))
    return found, Table(found, source.manner(name, default_asset(source.path)), catalog)


def _sample(column: "pa.Array") -> list[str | None]:
    """What the layout has to know of the first cells: numbers, words, or nothing."""
    import pyarrow as pa

    kind = column.type
    column = _sound(column)
    if pa.types.is_string(column.type):
        return [text if text is None else str(text) for text in column.to_pylist()]
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return ["0" if numeric else "word"] * len(column)


def _rows(opened: "Opened", layout: "Layout", begin: int) -> "Iterator[Rows]":
    """The rows behind the first ``begin`` ones."""
    import numpy as np

    from .rows import Rows

    names = [layout.header[number] for number in layout.used]
    if len(set(opened.schema_arrow.names)) < len(opened.schema_arrow.names):
        raise Unavailable("two columns of a Parquet file have the same name", mend="rename one of them")
    sizes = [opened.metadata.row_group(number).num_rows for number in range(opened.num_row_groups)]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    groups = [number for number in range(len(sizes)) if starts[number] + sizes[number] > begin]
    start = starts[groups[0]] if groups else 0
    for batch in opened.iter_batches(batch_size=_ROWS_AT_ONCE, row_groups=groups, columns=names):
        skip = min(max(begin - start, 0), batch.num_rows)
        start += batch.num_rows
        part = batch.slice(skip)
        if part.num_rows:
            first = start - part.num_rows + 1
            at = {name: number for number, name in enumerate(part.schema.names)}
            columns = {number: _sound(part.column(at[layout.header[number]])) for number in layout.used}
            ends = np.arange(first, start + 1)
            yield Rows(first, part.num_rows, np.arange(part.num_rows), columns, {}, ends)


def _sound(column: "pa.Array") -> "pa.Array":
    """Texts as one type, with bytes that are no text made visible."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return column
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.binary()).to_pylist()
        return pa.array([item and item.decode("utf-8", "replace") for item in raw], pa.string())
    return column.cast(pa.string())
