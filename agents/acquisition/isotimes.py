"""The usual forms of ISO 8601 and whole numbers, a column at a time.

Texts of one length are a matrix of characters, so each check is one comparison of a column of that matrix.
Whatever does not fit exactly is left alone.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.readings import Int64

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_ZERO = ord("0")
_MAX_LENGTH = 35
#: What may follow the fraction: nothing (a naive time), Z, or an offset with a colon.
_SUFFIXES = (0, 1, 6)


class Parsed(NamedTuple):
    """seconds and fraction where ``known``; a whole number in seconds where ``whole``."""

    seconds: Int64
    fraction: Int64
    naive: Mask
    known: Mask
    whole: Mask


def parsed(column: "pa.StringArray") -> Parsed:
    """What could be read of each text of a column."""
    size = len(column)
    texts = column.fill_null("") if column.null_count else column
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + size + 1].astype(np.int64)
    data = texts.buffers()[2]
    characters = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    out = Parsed(
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        *(np.zeros(size, np.bool_) for _ in range(3)),
    )
    lengths = np.diff(offsets)
    for length in np.unique(lengths).tolist():
        if 0 < length <= _MAX_LENGTH:
            rows = np.flatnonzero(lengths == length)
            _group(out, rows, characters[offsets[rows][:, None] + np.arange(length)])
    return out


def _group(out: Parsed, rows: NDArray[np.intp], text: Bytes) -> None:
    length = text.shape[1]
    if length <= 19:
        # 18 digits always fit in 64 bits; 19 do when the first is no 9.
        whole = _digits(text).all(axis=1) & ((length < 19) | (text[:, 0] < ord("9")))
        out.whole[rows] = whole
        out.seconds[rows[whole]] = _integer(text[whole])
    if length < 19:
        return
    clock, fits = _clock(text)
    for suffix in _SUFFIXES:
        digits = length - 19 - suffix
        if digits == 1 or not 0 <= digits <= 10:
            continue
        good = fits.copy()
        fraction = np.zeros(len(rows), np.int64)
        if digits:
            good &= (text[:, 19] == ord(".")) & _digits(text[:, 20 : 19 + digits]).all(axis=1)
            fraction = _integer(text[:, 20 : 19 + digits]) * 10 ** (10 - digits)
        ahead, fine = _offset(text[:, length - suffix :])
        good &= fine
        found = rows[good]
        out.known[found] = True
        out.naive[found] = suffix == 0
        out.seconds[found] = (clock - ahead)[good]
        out.fraction[found] = fraction[good]


def _clock(text: Bytes) -> tuple[Int64, Mask]:
    """Seconds since 1970 of ``2020-01-01T00:00:00`` in the first 19 characters, and where they are that."""
    good = (text[:, 4] == ord("-")) & (text[:, 7] == ord("-"))
    good &= (text[:, 10] == ord("T")) | (text[:, 10] == ord(" "))
    good &= (text[:, 13] == ord(":")) & (text[:, 16] == ord(":"))
    places = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
    good &= _digits(text[:, places]).all(axis=1)
    year, month, day = (_integer(text[:, part]) for part in (slice(0, 4), slice(5, 7), slice(8, 10)))
    hour, minute, second = (_integer(text[:, part]) for part in (slice(11, 13), slice(14, 16), slice(17, 19)))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    month_days = _DAYS[np.clip(month, 0, 12)] + (leap & (month == 2))
    good &= (year > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= month_days)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    return _days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second, good


def _days(year: Int64, month: Int64, day: Int64) -> Int64:
    """Days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms")."""
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days: Int64 = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days


def _offset(text: Bytes) -> tuple[Int64, Mask]:
    """Seconds ahead of UTC that a suffix says, and where it is well formed."""
    rows, length = text.shape
    if length == 0:
        return np.zeros(rows, np.int64), np.ones(rows, np.bool_)
    if length == 1:
        return np.zeros(rows, np.int64), text[:, 0] == ord("Z")
    sign = np.where(text[:, 0] == ord("-"), -1, 1)
    hours, minutes = _integer(text[:, 1:3]), _integer(text[:, 4:6])
    good = ((text[:, 0] == ord("+")) | (text[:, 0] == ord("-"))) & (text[:, 3] == ord(":"))
    good &= _digits(text[:, [1, 2, 4, 5]]).all(axis=1) & (hours < 24) & (minutes < 60)
    return sign * (hours * 3600 + minutes * 60), good


def _digits(text: Bytes) -> Mask:
    return (text - np.uint8(_ZERO)) < 10


def _integer(text: Bytes) -> Int64:
    out = np.zeros(len(text), np.int64)
    for place in range(text.shape[1]):
        out = out * 10 + (text[:, place].astype(np.int64) - _ZERO)
    return out
