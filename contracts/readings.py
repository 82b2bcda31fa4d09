"""Sensor readings as columns: many readings of one partition, one array per property.

A single reading is a batch of one. How readings are cut into batches means nothing: ids, positions and everything
that is computed from readings are the same for every cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .identity import reading_ids
from .remembered import Remembered

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


class Series(NamedTuple):
    """One sensor as one source tells of it."""

    source: str
    asset: str
    channel: str

    @property
    def name(self) -> str:
        """``asset/channel``: what people call the series."""
        return f"{self.asset}/{self.channel}"


class Quality(IntEnum):
    """What the device itself says of a reading (the three classes of OPC UA)."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Verdict(IntEnum):
    """What we say of a reading. The numbers are stored: never reuse one."""

    OK = 0
    # Found while reading the input: there is no value, or no time.
    MALFORMED_ROW = 1
    NOT_A_NUMBER = 2
    NOT_FINITE = 3
    MISSING = 4
    BAD_TIME = 5
    NAIVE_TIME = 6
    BAD_NAME = 7
    TOO_LONG = 8
    BAD_ENCODING = 9
    WRONG_UNIT = 10
    TOO_MANY_SERIES = 11
    # Found by validation, against what is known of the series.
    UNKNOWN_SERIES = 20
    BAD_QUALITY = 21
    OUT_OF_RANGE = 22
    RATE_OF_CHANGE = 23
    STUCK = 24
    DUPLICATE = 25
    CONFLICT = 26
    LATE = 27
    FUTURE = 28

    @property
    def word(self) -> str:
        """``out of range``: for people and for JSON."""
        return self.name.lower().replace("_", " ")


_VERDICTS = frozenset(map(int, Verdict))


def verdict_word(verdict: int) -> str:
    """The word of a stored verdict; a newer Tocsin may know verdicts that this one does not."""
    return Verdict(verdict).word if verdict in _VERDICTS else f"verdict {verdict}"


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """A batch of n readings.

    series    the series that occur; a row names one by its number
    code      int32[n], number of the row's series
    time      int64[n], nanoseconds since 1970 UTC
    value     float64[n]; NaN where the input had no value
    quality   uint8[n], a ``Quality``
    position  int64[n], the source's own position (row number, packet counter, ...)
    verdict   uint8[n], a ``Verdict``
    notes     row -> what the input said where no value could be read, cut to a bearable length
    first     ordinal in the stream of row 0, from 1; 0 before the batch is in the log
    """

    series: tuple[Series, ...]
    code: NDArray[np.int32]
    time: Int64
    value: Float64
    quality: NDArray[np.uint8]
    position: Int64
    verdict: NDArray[np.uint8]
    notes: Mapping[int, str] = field(default_factory=dict)
    first: int = 0

    def __post_init__(self) -> None:
        columns = (self.code, self.time, self.value, self.quality, self.position, self.verdict)
        lengths = [len(column) for column in columns]
        if lengths.count(lengths[0]) != len(lengths):
            raise ValueError(f"columns differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.code)

    @property
    def last(self) -> int:
        """Ordinal in the stream of the last row."""
        return self.first + len(self) - 1

    @classmethod
    def of(  # noqa: PLR0913 - one argument per column
        cls,
        series: Sequence[Series],
        code: NDArray[np.integer],
        time: Int64,
        value: Float64,
        position: Int64,
        *,
        quality: NDArray[np.uint8] | None = None,
        verdict: NDArray[np.uint8] | None = None,
        notes: Mapping[int, str] | None = None,
    ) -> Self:
        """A batch from its columns; quality and verdict are good where not given."""
        zeros = np.zeros(len(code), np.uint8)
        return cls(
            tuple(series),
            np.ascontiguousarray(code, np.int32),
            np.ascontiguousarray(time, np.int64),
            np.ascontiguousarray(value, np.float64),
            zeros if quality is None else np.ascontiguousarray(quality, np.uint8),
            np.ascontiguousarray(position, np.int64),
            zeros if verdict is None else np.ascontiguousarray(verdict, np.uint8),
            notes or {},
        )

    def take(self, rows: NDArray[np.intp] | slice) -> "Readings":
        """The readings of some rows, in the given order, with only the series that they use."""
        series, code = self.series, self.code[rows]
        used = np.zeros(len(series), np.bool_)
        used[code] = True
        if not used.all():
            series, code = _chosen(series, used), (np.cumsum(used, dtype=np.int32) - np.int32(1))[code]
        first, notes = 0, {}
        if self.notes or isinstance(rows, slice):
            chosen = np.arange(len(self))[rows]
            first = self.first + int(chosen[0]) if isinstance(rows, slice) and self.first and len(chosen) else 0
            if self.notes:
                notes = {new: self.notes[old] for new, old in enumerate(chosen.tolist()) if old in self.notes}
        return Readings(
            series,
            code,
            self.time[rows],
            self.value[rows],
            self.quality[rows],
            self.position[rows],
            self.verdict[rows],
            notes,
            first,
        )

    def marked(self, verdict: NDArray[np.uint8]) -> "Readings":
        """The same readings with other verdicts."""
        return replace(self, verdict=verdict)

    def cut(self, size: int) -> Iterator["Readings"]:
        """Consecutive batches of at most ``size`` readings."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def ids(self) -> list[str]:
        """The id of each reading, from its source's own position."""
        out = [""] * len(self)
        for number, series in enumerate(self.series):
            rows = np.flatnonzero(self.code == number)
            for row, name in zip(rows.tolist(), reading_ids(*series, self.position[rows].tolist()), strict=True):
                out[row] = name
        return out

    def id_of(self, row: int) -> str:
        """The id of one reading."""
        source, asset, channel = self.series[int(self.code[row])]
        return reading_ids(source, asset, channel, [int(self.position[row])])[0]


#: The parts that were taken of a tuple of series: a source's batches are parted by the same partitions every time.
_PARTS: Remembered[dict[bytes, tuple[Series, ...]]] = Remembered()
_MOST_PARTS = 64


def _chosen(series: tuple[Series, ...], used: NDArray[np.bool_]) -> tuple[Series, ...]:
    """The series whose flags are set; the same tuple for the same flags, so that others can remember it."""
    parts = _PARTS.of(series, lambda _: {})
    key = used.tobytes()
    found = parts.get(key)
    if found is None:
        found = tuple(series[number] for number in np.flatnonzero(used).tolist())
        if len(parts) < _MOST_PARTS:
            parts[key] = found
    return found


def joined(batches: Sequence[Readings]) -> Readings:
    """Batches that follow each other in a stream as one batch."""
    if len(batches) == 1:
        return batches[0]
    numbers: dict[Series, int] = {}
    codes, notes, start = [], {}, 0
    for batch in batches:
        table = np.array([numbers.setdefault(series, len(numbers)) for series in batch.series], np.int32)
        codes.append(table[batch.code])
        notes.update({start + row: text for row, text in batch.notes.items()})
        start += len(batch)
    return Readings(
        tuple(numbers),
        np.concatenate(codes),
        np.concatenate([batch.time for batch in batches]),
        np.concatenate([batch.value for batch in batches]),
        np.concatenate([batch.quality for batch in batches]),
        np.concatenate([batch.position for batch in batches]),
        np.concatenate([batch.verdict for batch in batches]),
        notes,
        batches[0].first,
    )
