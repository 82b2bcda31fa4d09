"""Files of an export: JSON lines, or Parquet with typed columns."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np
import pyarrow as pa
from pydantic_core import to_json

from bus.protocol import Place
from contracts.events import AnyEvent, Event, ReadingsAcquired, ReadingsEvent
from contracts.readings import Quality, Verdict
from contracts.rows import rows

from ..output import json_line

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter

#: Rows in one row group of a Parquet file.
_GROUP_ROWS = 100_000

_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ns", tz="UTC")
READINGS = pa.schema(
    [
        ("source", _WORD),
        ("asset", _WORD),
        ("channel", _WORD),
        ("time", _TIME),
        ("value", pa.float64()),
        ("quality", _WORD),
        ("verdict", _WORD),
        ("position", pa.int64()),
        ("id", pa.string()),
        ("note", pa.string()),
        ("partition", pa.int32()),
    ]
)
EVENTS = pa.schema(
    [
        ("id", pa.string()),
        ("type", _WORD),
        ("time", _TIME),
        ("asset", pa.string()),
        ("channel", pa.string()),
        ("payload", pa.string()),
        ("partition", pa.int32()),
    ]
)


class Writer(Protocol):
    """Takes the events of a range, in order."""

    def add(self, place: Place, event: AnyEvent) -> int:
        """Write an event; returns the number of rows."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class Lines:
    """JSON lines, the same as on standard output."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, place: Place, event: AnyEvent) -> int:
        count = 0
        for row in rows(event):
            full = {**row, "partition": place.partition, "stream": place.stream}
            self._file.write(f"{json_line(full)}\n".encode())
            count += 1
        return count

    def close(self) -> None:
        """The file is the caller's."""


class Tables:
    """A Parquet file for each stream, in a folder.

    Readings have a column for each of their properties, with the value as it is in the log, NaN and infinity included;
    other events have a few, and all of their fields as JSON in ``payload``. A stream of readings holds ticks as well:
    they are left out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: dict[str, _Table] = {}

    def add(self, place: Place, event: AnyEvent) -> int:
        of_readings = place.stream.startswith("readings.")
        if of_readings != isinstance(event, ReadingsEvent):
            return 0
        table = self._tables.get(place.stream)
        if table is None:
            schema = READINGS if of_readings else EVENTS
            table = self._tables[place.stream] = _Table(self._folder / f"{place.stream}.parquet", schema)
        return table.add(
            _readings(event, place.partition) if isinstance(event, ReadingsEvent) else _event(event, place)
        )

    def close(self) -> None:
        for table in self._tables.values():
            table.close()


class _Table:
    """One Parquet file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        from pyarrow import parquet

        self._writer: ParquetWriter = parquet.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._count = 0

    def add(self, table: pa.Table) -> int:
        self._waiting.append(table)
        self._count += table.num_rows
        if self._count >= _GROUP_ROWS:
            self._flush()
        return int(table.num_rows)

    def _flush(self) -> None:
        if self._waiting:
            # Each part has words of its own; a file has one list of them.
            self._writer.write_table(pa.concat_tables(self._waiting).unify_dictionaries())
        self._waiting, self._count = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()


def _readings(event: ReadingsEvent, partition: int) -> pa.Table:
    readings, n = event.readings, len(event)
    ids = readings.ids()
    if not isinstance(event, ReadingsAcquired):
        ids = [event.row_id(name) for name in ids]
    code = pa.array(readings.code, pa.int32())
    columns = [
        *(
            _words(code, [getattr(series, name) for series in readings.series])
            for name in ("source", "asset", "channel")
        ),
        pa.array(readings.time, _TIME),
        pa.array(readings.value),
        _of_enum(readings.quality, {int(each): each.name.lower() for each in Quality}),
        _of_enum(readings.verdict, {int(each): each.word for each in Verdict}),
        pa.array(readings.position),
        pa.array(ids, pa.string()),
        pa.array([readings.notes.get(row) for row in range(n)] if readings.notes else [None] * n, pa.string()),
        pa.array(np.full(n, partition, np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=READINGS)


def _words(code: pa.Array, words: list[str]) -> pa.Array:
    # Several series share an asset or a source: each word once, or the column is not a sound dictionary.
    unique = list(dict.fromkeys(words))
    table = np.array([unique.index(word) for word in words], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(table[code.to_numpy()]), pa.array(unique, pa.string()))


def _of_enum(values: np.ndarray[tuple[int], np.dtype[np.uint8]], words: dict[int, str]) -> pa.Array:
    used, code = np.unique(values, return_inverse=True)
    names = [words.get(number, str(number)) for number in used.tolist()]
    return pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), pa.array(names, pa.string()))


def _event(event: AnyEvent, place: Place) -> pa.Table:
    assert isinstance(event, Event)  # noqa: S101 - readings go elsewhere
    row = next(iter(rows(event)))
    payload = to_json(row, inf_nan_mode="null").decode()
    values = [
        [event.id],
        [event.type_name()],
        [event.time],
        [event.asset],
        [event.channel],
        [payload],
        [place.partition],
    ]
    columns = [pa.array(value, field.type) for value, field in zip(values, EVENTS, strict=True)]
    return pa.Table.from_arrays(columns, schema=EVENTS)
