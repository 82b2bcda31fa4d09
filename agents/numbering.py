"""Numbers for series: state lives in arrays, and a series is a row in them."""

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Readings, Series
from contracts.remembered import Remembered
from models.order import order_of

Ints = NDArray[np.int64]
_NAMES: Remembered[list[str]] = Remembered()


def numbered(names: dict[str, int], readings: Readings) -> Ints:
    """The number of each reading's series, int64[n]; new series are added to ``names``.

    Numbers go by first appearance in the stream, however it is cut into batches.
    """
    known = _NAMES.of(readings.series, _names)
    table = np.array([names.get(name, -1) for name in known], np.int64)
    rows = table[readings.code]
    if rows.min(initial=0) >= 0:
        return rows
    codes, first = np.unique(readings.code, return_index=True)
    for code in codes[np.argsort(first)].tolist():
        table[code] = names.setdefault(known[code], len(names))
    return table[readings.code]


def _names(series: tuple[Series, ...]) -> list[str]:
    return [each.name for each in series]


def ranks(rows: Ints) -> Ints:
    """How many readings of the same series stand before each one in the batch, int64[n]."""
    order = order_of(rows)
    ordered = rows[order]
    start = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    out = np.empty(len(rows), np.int64)
    out[order] = np.arange(len(rows)) - np.repeat(start, np.diff(np.append(start, len(rows))))
    return out


def grown(array: NDArray[np.generic], n: int, fill: float = 0) -> NDArray[np.generic]:
    """The array with room for ``n`` rows, the next power of two: cheap to grow, and a function of ``n`` alone."""
    if len(array) >= n:
        return array
    rows = 1 << max(n - 1, 0).bit_length()
    more = np.full((rows - len(array), *array.shape[1:]), fill, array.dtype)
    return np.concatenate((array, more))
