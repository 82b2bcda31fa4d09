"""Readings from the files of an export, in the order that they have there; checked as everything from outside is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.errors import FileRefused
from contracts.events import ReadingsAcquired
from contracts.identity import is_name
from contracts.instants import from_iso
from contracts.readings import Quality, Readings, Series, Verdict

#: Rows that are taken in one step.
ROWS = 8_192
_MOST_LINE = 1 << 20
_MOST_NOTE = 1_000
_STREAM = ReadingsAcquired.stream
_QUALITIES = {each.name.lower(): int(each) for each in Quality}
_VERDICTS = {each.word: int(each) for each in Verdict}

Row = dict[str, Any]


def gathered(path: Path) -> Iterator[Readings]:
    """The acquired readings of a file of JSON lines, a Parquet file, or a folder of these, a bounded part at a time.

    Raises FileRefused, which names the file and the row that cannot be taken.
    """
    file = path / f"{_STREAM}.parquet" if path.is_dir() else path
    if not file.is_file():
        raise FileRefused(f"{path}: it has no {_STREAM}.parquet", mend="Export it with --stream readings.acquired")
    number = 0
    rows: list[tuple[int, Row]] = []
    for row in _parquet(file) if file.suffix == ".parquet" else _lines(file):
        number += 1
        if row.get("stream", _STREAM) != _STREAM or row.get("type", "ReadingsAcquired") != "ReadingsAcquired":
            continue
        rows.append((number, row))
        if len(rows) == ROWS:
            yield _readings(file, rows)
            rows = []
    if rows:
        yield _readings(file, rows)


def _lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_MOST_LINE + 1):
            number += 1
            if len(line) > _MOST_LINE:
                raise FileRefused(f"{path}: line {number:,} is longer than {_MOST_LINE:,} bytes")
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise FileRefused(f"{path}: line {number:,} is not JSON ({error})") from error
            if not isinstance(row, dict):
                raise FileRefused(f"{path}: line {number:,} is not a row of an export")
            yield row


def _parquet(path: Path) -> Iterator[Row]:
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
        missing = {"source", "asset", "channel", "time", "value", "position"} - set(file.schema_arrow.names)
        if missing:
            raise FileRefused(f"{path}: it has no column {', '.join(sorted(missing))}")
        for batch in file.iter_batches(ROWS):
            times = batch.column("time").cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64())
            plain = batch.set_column(batch.schema.get_field_index("time"), "time", times)
            yield from plain.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileRefused(f"{path}: not a Parquet file of an export ({error})") from error


def _readings(path: Path, rows: list[tuple[int, Row]]) -> Readings:
    """Some rows as columns."""
    numbers: dict[Series, int] = {}
    columns: list[tuple[int, int, float, int, int, int]] = []
    notes: dict[int, str] = {}
    for number, row in rows:
        try:
            columns.append(_checked(row, numbers))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FileRefused(f"{path}: row {number:,} is not a reading ({error!r})") from error
        if row.get("note") is not None:
            notes[len(columns) - 1] = str(row["note"])[:_MOST_NOTE]
    code, time, value, quality, position, verdict = zip(*columns, strict=True)
    return Readings.of(
        list(numbers),
        np.array(code, np.int32),
        np.array(time, np.int64),
        np.array(value, np.float64),
        np.array(position, np.int64),
        quality=np.array(quality, np.uint8),
        verdict=np.array(verdict, np.uint8),
        notes=notes,
    )


def _checked(row: Row, numbers: dict[Series, int]) -> tuple[int, int, float, int, int, int]:
    names = [row[name] for name in ("source", "asset", "channel")]
    for name in names:
        if not isinstance(name, str) or not is_name(name):
            raise ValueError(f"{name!r} cannot be a name")
    series = Series(*names)
    value = row["value"]
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"value is {value!r}")
    return (
        numbers.setdefault(series, len(numbers)),
        _whole(from_iso(row["time"]) if isinstance(row["time"], str) else row["time"]),
        float("nan") if value is None else float(value),
        _QUALITIES[row.get("quality", "good")],
        _whole(row["position"]),
        _VERDICTS[row.get("verdict", "ok")],
    )


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise ValueError(f"{value!r} is not a whole number of 64 bits")
    return value
