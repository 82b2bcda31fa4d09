"""Two files as samples that can be compared: columns of a table, or series where a file holds readings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import FileRefused
from models.drift.words import F64, I64

_READINGS = ("asset", "channel", "value")
_WORDS = ("quality", "verdict")


@dataclass(frozen=True)
class Sample:
    """One column, in the order of its file, or of time where the file holds readings.

    kind     numbers, categories, empty (no value at all) or other (times, nested values: not compared)
    numbers  float64[n], NaN where missing
    codes    int64[n], number in ``names``, -1 where missing
    """

    kind: str
    numbers: F64
    codes: I64
    names: tuple[str, ...] = ()

    @property
    def missing(self) -> I64:
        """1 for each value that is missing, int64[n]."""
        gone = self.codes < 0 if self.kind == "categories" else ~np.isfinite(self.numbers)
        return gone.astype(np.int64)


Samples = Mapping[str, Callable[[], Sample]]


def samples(path: Path) -> Samples:
    """Name of each column, or ASSET/CHANNEL of each series, to what gives its values when they are wanted.

    A folder of Parquet files is one table. Raises FileRefused when it cannot be read.
    """
    try:
        return _samples(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileRefused(f"{path}: {error}") from error


def _samples(path: Path) -> Samples:
    read: Callable[[list[str]], Any]
    if path.is_dir() or path.suffix.lower() in {".parquet", ".pq"}:
        import pyarrow.dataset as ds

        source = ds.dataset(path, format="parquet")
        names, read = source.schema.names, lambda wanted: source.to_table(columns=wanted)
    else:
        from pyarrow.csv import ConvertOptions, read_csv

        table = read_csv(path, convert_options=ConvertOptions(strings_can_be_null=True))
        names, read = table.column_names, table.select
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise FileRefused(f"{path}: columns with the same name: {', '.join(map(repr, double[:5]))}")
    if set(_READINGS) <= set(names):
        return _series(read([name for name in (*_READINGS, "time", *_WORDS) if name in names]))
    return {name: partial(_column, read, name) for name in names}


def _column(read: Callable[[list[str]], pa.Table], name: str) -> Sample:
    return sample(read([name]).column(name).combine_chunks())


def _series(table: pa.Table) -> Samples:
    """The series of a table of readings, each with its values and, where the table has them, its flags."""
    if "time" in table.column_names:
        table = table.take(pc.sort_indices(table, [("time", "ascending")]))
    asset, channel = (pc.cast(table.column(name), pa.string()).combine_chunks() for name in _READINGS[:2])
    label = pc.binary_join_element_wise(asset, channel, "/")
    encoded = pc.dictionary_encode(label)
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    found: dict[str, Callable[[], Sample]] = {}
    for number, name in enumerate(encoded.dictionary.to_pylist()):
        rows = order[bounds[number] : bounds[number + 1]]
        found[name] = partial(_part, table, "value", rows)
        for word in _WORDS:
            if word in table.column_names:
                found[f"{name} {word}"] = partial(_part, table, word, rows)
    return found


def _part(table: pa.Table, name: str, rows: Any) -> Sample:
    return sample(table.column(name).take(pa.array(rows)).combine_chunks())


def sample(array: Any) -> Sample:
    """A column of Arrow as a sample."""
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind, nothing = array.type, np.zeros(len(array), np.int64)
    if pa.types.is_null(kind) or array.null_count == len(array):
        return Sample("empty", np.full(len(array), np.nan), nothing)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(array, pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
        return Sample("numbers", numbers.astype(np.float64), nothing)
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        array = pc.dictionary_encode(pc.cast(array, pa.string()))
    if pa.types.is_dictionary(array.type) and pa.types.is_string(array.type.value_type):
        codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return Sample("categories", np.zeros(0), codes, tuple(map(str, array.dictionary.to_pylist())))
    return Sample("other", np.zeros(len(array)), nothing)
