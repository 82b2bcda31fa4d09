"""Readings on their way through an agent, and those that wait to be scored."""

from dataclasses import dataclass, field, replace

import numpy as np

from contracts.readings import Float64, Int64, Readings, Series, joined

from ..numbering import Ints


def _ints() -> Ints:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Readings in an order that does not depend on how they were cut.

    readings  columns
    rows      int64[n], numbers of their series
    spans     int64[n, 2], where the evidence of each begins; its own ordinal
    by        int64[n], ordinal of the reading whose arrival let it be scored
    """

    readings: Readings
    rows: Ints
    spans: Ints
    by: Ints

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ordinals(self) -> Ints:
        """Places in the stream, int64[n]."""
        return self.spans[:, 1]

    def take(self, at: Ints) -> "Stretch":
        """Some of them, in this order."""
        return Stretch(self.readings.take(at), self.rows[at], self.spans[at], self.by[at])

    def and_also(self, other: "Stretch") -> "Stretch":
        """These, then others."""
        if not len(self):
            return other
        readings = joined([self.readings, other.readings])
        columns = ((getattr(self, name), getattr(other, name)) for name in ("rows", "spans", "by"))
        return Stretch(readings, *(np.concatenate(pair) for pair in columns))


@dataclass(frozen=True, slots=True)
class Scored:
    """Readings with their scores, float64[n], and what a bundle remembers of why, one entry each."""

    stretch: Stretch
    score: Float64
    why: np.ndarray[tuple[int, ...], np.dtype[np.generic]]

    def __len__(self) -> int:
        return len(self.score)

    def take(self, at: Ints) -> "Scored":
        """Some of them, in this order."""
        return Scored(self.stretch.take(at), self.score[at], self.why[at])


@dataclass
class Waiting:
    """Readings that arrived and are not scored yet, by ordinal; the columns of a stretch as they are saved."""

    row: Ints = field(default_factory=_ints)
    begin: Ints = field(default_factory=_ints)
    ordinal: Ints = field(default_factory=_ints)
    time: Int64 = field(default_factory=_ints)
    value: Float64 = field(default_factory=lambda: np.zeros(0))
    position: Int64 = field(default_factory=_ints)
    quality: Ints = field(default_factory=_ints)
    source: Ints = field(default_factory=_ints)
    sources: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def stretch(self, names: dict[str, int]) -> Stretch:
        """The readings themselves; ``names`` are those of all series."""
        by_row, by_source = list(names), list(self.sources)
        pairs, code = np.unique(np.stack((self.row, self.source), axis=1), axis=0, return_inverse=True)
        series = [Series(by_source[source], *by_row[row].split("/", 1)) for row, source in pairs.tolist()]
        quality = self.quality.astype(np.uint8)
        readings = Readings.of(series, code.reshape(-1), self.time, self.value, self.position, quality=quality)
        return Stretch(readings, self.row, np.stack((self.begin, self.ordinal), axis=1), self.ordinal)

    def keep(self, stretch: Stretch) -> None:
        """Have these wait, and no others."""
        readings = stretch.readings
        table = np.array(
            [self.sources.setdefault(each.source, len(self.sources)) for each in readings.series], np.int64
        )
        self.row, self.begin, self.ordinal = stretch.rows, stretch.spans[:, 0].copy(), stretch.spans[:, 1].copy()
        self.time, self.value, self.position = readings.time, readings.value, readings.position
        self.quality, self.source = readings.quality.astype(np.int64), table[readings.code]


def released(
    waiting: Waiting, arrived: Stretch, ordinals: Ints, by: Ints, left: Ints, names: dict[str, int]
) -> Stretch:
    """The readings of these ordinals, released by those of ``by``; of the others those in ``left`` go on waiting."""
    there = waiting.stretch(names).and_also(arrived) if len(waiting) else arrived
    found = there.take(np.searchsorted(there.ordinals, ordinals))
    if len(left) or len(waiting):
        waiting.keep(there.take(np.flatnonzero(np.isin(there.ordinals, left))))
    return replace(found, by=by)
