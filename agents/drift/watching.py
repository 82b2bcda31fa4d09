"""Feeds readings to the test: first to what becomes the reference of their series, then to the comparison with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.instants import DAY
from models.order import order_of

from ..numbering import Ints, ranks
from .state import Watched


@dataclass(frozen=True)
class Fed:
    """Readings with their series' rows; ``spot`` int64[n] says where each of them is in the batch."""

    rows: Ints
    times: Ints
    values: NDArray[np.float64]
    ordinals: Ints
    spot: Ints

    def part(self, at: slice | Ints) -> "Fed":
        """Some of them."""
        return Fed(self.rows[at], self.times[at], self.values[at], self.ordinals[at], self.spot[at])


@dataclass(frozen=True)
class Outcome:
    """``live``: bool[n], whether each reading was tested.  ``learned``: (spot, row) of references that are complete.

    ``found``: (spot, number, alarm): where in the batch, which reading of its series, holes counted, and what.
    """

    live: NDArray[np.bool_]
    learned: tuple[tuple[int, int], ...]
    found: tuple[tuple[int, int, dict[str, Any]], ...]


class Watching:
    """The test at work on a set of series; ``size`` readings make a reference, ``rate`` is tolerated in each."""

    def __init__(self, test: Any, size: int) -> None:
        self.test, self.size = test, size

    def feed(self, watched: Watched, fed: Fed, identity: int, rate: float, *, holes: bool = True) -> Outcome:
        """Learn from what comes first, and test what follows; with ``holes`` also what a regular series did not get."""
        watched.make_room(self.size)
        number = watched.seen[fed.rows] + ranks(fed.rows)
        first = np.flatnonzero(number == 0)
        watched.origin[fed.rows[first]], watched.begun[fed.rows[first]] = fed.ordinals[first], fed.times[first]
        learned = tuple(self._learn(watched, fed, number, identity, rate, holes=holes))
        steps = steps_since(watched, fed, number)
        # None while a reference is learned: it is filled when it is complete.
        tested = (number > 0) & (number >= watched.need[fed.rows]) & watched.adopted[fed.rows]
        if holes and (tested & (steps > 0)).any():
            whole, place = self._filled(watched, fed, steps, tested)
            number = watched.seen[whole.rows] + ranks(whole.rows) if len(whole.rows) > len(place) else number
        else:
            whole, place = fed, np.arange(len(number))
        rows = whole.rows
        watched.seen += np.bincount(rows, minlength=len(watched.seen))
        live = (number >= watched.need[rows]) & watched.adopted[rows]
        at = np.flatnonzero(live)
        alarms = self.test.update_batch(watched.test, rows[at], whole.times[at], whole.values[at])
        where = at[alarms.at]
        found = zip(
            whole.spot[where].tolist(), number[where].tolist(), map(alarms.entry, range(len(alarms))), strict=True
        )
        return Outcome(live[place], learned, tuple(found))

    def _filled(self, watched: Watched, fed: Fed, steps: Ints, tested: NDArray[np.bool_]) -> tuple[Fed, Ints]:
        """The readings with a NaN before each for every one that is missing there, and where they stand in that."""
        from models.drift.holes import missed, spread

        with np.errstate(divide="ignore"):
            interval = np.where(watched.cadence > 0, DAY / watched.cadence, 0.0)[fed.rows]
        gone = np.where(tested, missed(steps, interval), 0)
        place = np.arange(len(gone)) + np.cumsum(gone)
        which, nth = spread(gone)
        hole = place[which] - gone[which] + nth
        source = np.empty(len(gone) + len(which), np.int64)
        source[place], source[hole] = np.arange(len(gone)), which
        whole = fed.part(source)
        whole.values[hole] = np.nan
        whole.times[hole] += ((nth + 1) * interval[which]).astype(np.int64) - steps[which]
        return whole, place

    def _learn(
        self, watched: Watched, fed: Fed, number: Ints, identity: int, rate: float, *, holes: bool
    ) -> Iterator[tuple[int, int]]:
        from models.drift.cadence import cadence_of
        from models.drift.covered import Covered
        from models.drift.holes import filled

        early = np.flatnonzero(number < watched.need[fed.rows])
        if not len(early):
            return
        rows = fed.rows[early]
        watched.values[rows, number[early]] = fed.values[early]
        watched.times[rows, number[early]] = fed.times[early]
        done = early[number[early] == watched.need[rows] - 1]
        for index in done[np.argsort(fed.rows[done])].tolist():
            row = int(fed.rows[index])
            times, values = watched.times[row], watched.values[row]
            cadence = cadence_of(times)
            clock, known = filled(times, values, cadence if holes else None)
            reference = self.test.fit(known, cadence, clock if cadence else None)
            self.adopt(watched, row, reference, Covered.of(times, values), identity, rate)
            yield int(fed.spot[index]), row

    def adopt(self, watched: Watched, row: int, reference: Any, covered: Any, identity: int, rate: float) -> None:
        """Compare a series with a reference from here on."""
        self.test.adopt(watched.test, row, reference)
        watched.adopted[row], watched.cadence[row] = True, reference.samples_per_day
        watched.covered[row], watched.identity[row] = covered.row(), identity
        self.tolerate(watched, np.array([row]), rate)

    def tolerate(self, watched: Watched, rows: Ints, rate: float) -> None:
        """Tolerate this many false alarms per year in each of these series."""
        self.test.tolerate(watched.test, rows, watched.cadence[rows], rate)


def steps_since(watched: Watched, fed: Fed, number: Ints) -> Ints:
    """Time since the newest reading before, of the same series, int64[n] ns: 0 for its first, below 0 for late ones.

    Remembers the newest.
    """
    order = order_of(fed.rows)
    rows, times = fed.rows[order], fed.times[order]
    start = np.append(True, rows[1:] != rows[:-1])[: len(rows)]
    before = np.where(number[order] == 0, times, watched.newest[rows])
    top = np.where(start, np.maximum(times, before), times)
    if ((top[1:] < top[:-1]) & ~start[1:]).any():
        # Late readings: the running maximum of each series, by the ranks of the times.
        known, rank = np.unique(top, return_inverse=True)
        base = (np.cumsum(start) - 1) * len(known)
        top = known[np.maximum.accumulate(rank + base) - base]
    previous = np.where(start, before, np.append(0, top[:-1])[: len(top)])
    steps = np.empty(len(rows), np.int64)
    steps[order] = times - previous
    ends = np.append(start[1:], True)[: len(rows)]
    watched.newest[rows[ends]] = top[ends]
    return steps
