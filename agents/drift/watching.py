"""Feeds readings to the test: first to what becomes the reference of their series, then to the comparison with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    def part(self, at: slice) -> "Fed":
        """Some of them."""
        return Fed(self.rows[at], self.times[at], self.values[at], self.ordinals[at], self.spot[at])


@dataclass(frozen=True)
class Outcome:
    """``number``: int64[n], which reading of its series each one was; ``live``: bool[n], whether it was tested.

    ``learned``: (index, row) of references that are complete; ``alarms``: models.drift.Alarms, whose ``at`` counts the
    tested readings.
    """

    number: Ints
    live: NDArray[np.bool_]
    learned: tuple[tuple[int, int], ...]
    alarms: Any

    def found(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(index, alarm) of each alarm."""
        at = np.flatnonzero(self.live)
        for i in range(len(self.alarms)):
            yield int(at[self.alarms.at[i]]), self.alarms.entry(i)


class Watching:
    """The test at work on a set of series; ``size`` readings make a reference, ``rate`` is tolerated in each."""

    def __init__(self, test: Any, size: int) -> None:
        self.test, self.size = test, size

    def feed(self, watched: Watched, fed: Fed, identity: int, rate: float) -> Outcome:
        """Learn from what comes first, and test what follows."""
        watched.make_room(self.size)
        rows = fed.rows
        number = watched.seen[rows] + ranks(rows)
        first = np.flatnonzero(number == 0)
        watched.origin[rows[first]], watched.begun[rows[first]] = fed.ordinals[first], fed.times[first]
        learned = tuple(self._learn(watched, fed, number, identity, rate))
        np.add.at(watched.seen, rows, 1)
        live = (number >= watched.need[rows]) & watched.adopted[rows]
        at = np.flatnonzero(live)
        alarms = self.test.update_batch(watched.test, rows[at], fed.times[at], fed.values[at])
        return Outcome(number, live, learned, alarms)

    def _learn(self, watched: Watched, fed: Fed, number: Ints, identity: int, rate: float) -> Iterator[tuple[int, int]]:
        from models.drift.cadence import cadence_of
        from models.drift.covered import Covered

        early = np.flatnonzero(number < watched.need[fed.rows])
        if not len(early):
            return
        rows = fed.rows[early]
        watched.values[rows, number[early]] = fed.values[early]
        watched.times[rows, number[early]] = fed.times[early]
        done = early[number[early] == watched.need[rows] - 1]
        for index in done[np.argsort(fed.rows[done])].tolist():
            row = int(fed.rows[index])
            cadence = cadence_of(watched.times[row])
            reference = self.test.fit(watched.values[row], cadence, watched.times[row] if cadence else None)
            self.adopt(watched, row, reference, Covered.of(watched.times[row], watched.values[row]), identity, rate)
            yield index, row

    def adopt(self, watched: Watched, row: int, reference: Any, covered: Any, identity: int, rate: float) -> None:
        """Compare a series with a reference from here on."""
        self.test.adopt(watched.test, row, reference)
        watched.adopted[row], watched.cadence[row] = True, reference.samples_per_day
        watched.covered[row], watched.identity[row] = covered.row(), identity
        self.tolerate(watched, np.array([row]), rate)

    def tolerate(self, watched: Watched, rows: Ints, rate: float) -> None:
        """Tolerate this many false alarms per year in each of these series."""
        self.test.tolerate(watched.test, rows, watched.cadence[rows], rate)
