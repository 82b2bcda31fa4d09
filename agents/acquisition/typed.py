"""Columns of any Arrow type as values and as times; texts go the strict way of ``cells`` and ``times``."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.instants import LATEST, SECOND
from contracts.readings import Float64, Int64, Verdict

from .cells import note, numbers
from .times import TimeReader

Texts = Mapping[int, str]


def values_of(column: "pa.Array", fast: bool = True) -> tuple[Float64, NDArray[np.uint8], Texts]:
    """Values, verdicts, and what the cells without a value said."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return numbers(column.cast(pa.string()), fast)
    if pa.types.is_dictionary(kind):
        return values_of(column.dictionary_decode(), fast)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return _no_numbers(column)
    cast = pc.cast(column, pa.float64(), safe=False)
    values = np.array(cast.to_numpy(zero_copy_only=False), np.float64)
    verdicts = np.zeros(len(values), np.uint8)
    odd = ~np.isfinite(values)
    if not odd.any():
        return values, verdicts, {}
    missing = column.is_null().to_numpy(zero_copy_only=False)
    verdicts[odd] = Verdict.NOT_FINITE
    verdicts[missing] = Verdict.MISSING
    said = {row: str(values[row]) for row in np.flatnonzero(odd & ~missing).tolist()}
    values[odd] = np.nan
    return values, verdicts, said


def times_of(column: "pa.Array", times: TimeReader, fast: bool = True) -> tuple[Int64, NDArray[np.uint8], Texts]:
    """Instants, verdicts, and the cause where there is none."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return times.many(column.cast(pa.string()), fast)
    if pa.types.is_dictionary(kind):
        return times_of(column.dictionary_decode(), times, fast)
    if pa.types.is_floating(kind):
        return times.many(_decimals(column), fast)
    if pa.types.is_integer(kind):
        return times.many(pc.cast(column, pa.string()), fast)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _stamps(column, times)
    return times.many(_shown(column), fast)


def _stamps(column: "pa.Array", times: TimeReader) -> tuple[Int64, NDArray[np.uint8], Texts]:
    """Arrow's own timestamps: instants when they have a zone, local times when not."""
    kind = pa.timestamp("s") if pa.types.is_date(column.type) else column.type
    ticks = pc.cast(column.cast(kind), pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": SECOND}[kind.unit]
    seconds, rest = ticks // per_second, ticks % per_second
    known = ~column.is_null().to_numpy(zero_copy_only=False)
    known &= np.abs(seconds) < LATEST // SECOND - 86_400
    if kind.tz is None:
        seconds = np.where(known, seconds, 0)
        seconds, steady = times.local(seconds)
        known &= steady
    out = np.where(known, seconds, 0) * SECOND + np.where(known, rest, 0) * (SECOND // per_second)
    verdicts = np.zeros(len(out), np.uint8)
    causes: dict[int, str] = {}
    for row in np.flatnonzero(~known).tolist():
        text = _text(column[row].as_py() if kind.unit != "ns" else column[row].value, kind)
        out[row], verdicts[row], cause = times.one(text)
        if verdicts[row]:
            causes[row] = note(f"{cause}: {text}" if text else cause)
    return out, verdicts, causes


def _text(value: object, kind: "pa.DataType") -> str:
    """One timestamp as ISO 8601, which ``TimeReader.one`` judges."""
    if value is None:
        return ""
    if isinstance(value, int):
        scalar = pa.scalar(value, pa.timestamp("ns", kind.tz and "UTC"))
        return str(pc.strftime(scalar, "%Y-%m-%dT%H:%M:%S")) + ("Z" if kind.tz else "")
    text = str(value)
    return text if len(text) > 10 else f"{text}T00:00:00"


def _decimals(column: "pa.Array") -> "pa.Array":
    """Floating numbers since 1970, written out: ``repr`` is the shortest text that names the number."""
    texts = [None if value is None else _plain(value) for value in column.to_pylist()]
    return pa.array(texts, pa.string())


def _plain(value: float) -> str:
    if not abs(value) < 1e19:  # NaN included
        return str(value)
    return f"{int(value)}" if value == int(value) else f"{value:.9f}".rstrip("0")


def _no_numbers(column: "pa.Array") -> tuple[Float64, NDArray[np.uint8], Texts]:
    """Truth values, dates, lists: not one of them is a measurement."""
    missing = column.is_null().to_numpy(zero_copy_only=False)
    verdicts = np.where(missing, Verdict.MISSING, Verdict.NOT_A_NUMBER).astype(np.uint8)
    said = {row: note(str(column[row].as_py())) for row in np.flatnonzero(~missing).tolist()}
    return np.full(len(column), np.nan), verdicts, said


def _shown(column: "pa.Array") -> "pa.Array":
    return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
