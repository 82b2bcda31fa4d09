"""False alarms that are tolerated: so many in each series, and no more than so many in the whole fleet."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..numbering import Ints

#: What categories may have, of what values have, on top of it.
_CATEGORIES = 0.1


@dataclass(frozen=True)
class Budget:
    """``series``: per series and year; ``fleet``: per year in all of them together, None: no such bound.

    The fleet's budget is shared out evenly over the partitions, and there over the series: as many as there are,
    rounded up to a power of two, so that shares change seldom. Each series' false alarms are bounded in the mean, and
    so is their sum, however the series depend on each other.
    """

    series: float
    fleet: float | None
    partitions: int
    mates: int
    """Channels of an asset that are watched in pairs; these get half of the fleet's budget."""

    def rate(self, known: int) -> float:
        """What each series may have by its values where a partition has ``known`` ones."""
        if self.fleet is None:
            return self.series
        mine = self.fleet / self.partitions * (0.5 if self.mates else 1.0) / (1 + _CATEGORIES)
        return min(self.series, mine / _shares(known))

    def category_rate(self, known: int) -> float:
        """What each series may have by its categories."""
        return self.rate(known) * _CATEGORIES

    def pair_rate(self, known: int) -> float:
        """What each pair of channels may have."""
        if self.fleet is None:
            return self.series
        # An asset with m channels, at most ``mates``, has m (m - 1) / 2 pairs.
        most = _shares(known) * max((self.mates - 1) / 2, 0.5)
        return min(self.series, self.fleet / self.partitions * 0.5 / most)

    def stretches(self, before: int, rows: Ints) -> Iterator[tuple[slice, int]]:
        """A batch cut where shares change: which of its readings, and how many series are known then.

        ``before``: series known before the batch; ``rows``: int64[n], numbers by first appearance.
        """
        if self.fleet is None or not len(rows):
            yield slice(0, len(rows)), before
            return
        start, known = 0, before
        new, first = np.unique(rows, return_index=True)
        for row, place in zip(new.tolist(), first.tolist(), strict=True):
            if row >= before and _shares(row + 1) != _shares(known):
                if place > start:
                    yield slice(start, place), known
                start, known = place, row + 1
            known = max(known, row + 1)
        yield slice(start, len(rows)), known


def _shares(known: int) -> int:
    return 1 << max(known - 1, 0).bit_length()
