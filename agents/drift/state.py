"""What the drift agent remembers: of every series its reference, of every asset the drift that was told."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numbering import Ints, grown


def _ints() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Watched:
    """One row per series: the readings of its reference until there are enough, then the test's own state.

    test      state of models.drift.DriftTest
    seen      readings since the reference was begun
    need      readings that the series' own reference takes; 0 where a bundle brought it
    values    the readings of the reference, float64[series, reference_readings]
    times     their times, int64[series, reference_readings]
    origin    ordinal of the first reading that was counted
    begun     its event time
    adopted   whether there is a reference, and the test watches
    cadence   readings per day in the reference; 0 where irregular
    covered   models.drift.covered.Covered, int64[series, 5]
    identity  number in ``DriftState.identities`` of what the reference was made with
    """

    test: Any
    names: dict[str, int] = field(default_factory=dict)
    seen: Ints = field(default_factory=_ints)
    need: Ints = field(default_factory=_ints)
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    times: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    origin: Ints = field(default_factory=_ints)
    begun: Ints = field(default_factory=_ints)
    adopted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    cadence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    covered: Ints = field(default_factory=lambda: np.zeros((0, 5), np.int64))
    identity: Ints = field(default_factory=_ints)

    def make_room(self, size: int) -> None:
        """A row for every series that has a number; each begins by learning from ``size`` readings of its own."""
        if self.values.shape[1] != size:
            self.values, self.times = np.zeros((0, size)), np.zeros((0, size), np.int64)
            # What was kept of an unfinished reference is of another length.
            self.seen[~self.adopted], self.need[~self.adopted] = 0, size
        for name in ("seen", "values", "times", "origin", "begun", "adopted", "cadence", "covered", "identity"):
            setattr(self, name, grown(getattr(self, name), len(self.names)))
        self.need = grown(self.need, len(self.names), size)  # type: ignore[assignment]  # ints stay ints

    def begin_again(self, row: int, need: int) -> None:
        """Count the readings of a series from the next one on."""
        self.seen[row], self.need[row], self.adopted[row] = 0, need, False


@dataclass
class DriftState:
    """The series of a partition, and the pairs of channels where these are watched.

    series      every series
    pairs       agreements of two channels of an asset, as series of their own
    identities  (bundle, feature set, environment) that references were made with, in order of appearance
    serving     digest of the bundle that scores, as far as the log said so
    changing    series -> [who, why, event id, digest of the reference before]: its new reference is being learned
    told        asset -> [id, event time] of the drift that further ones are part of
    alarmed     series -> id of its drift, until somebody acknowledges it
    mates       asset -> its first series; of these the pairs are watched
    latest      series -> [event time, standardised value] of its last reading, where pairs are watched
    """

    series: Watched
    pairs: Watched
    identities: list[list[str]] = field(default_factory=list)
    serving: str = ""
    changing: dict[str, list[str]] = field(default_factory=dict)
    told: dict[str, list[Any]] = field(default_factory=dict)
    alarmed: dict[str, str] = field(default_factory=dict)
    mates: dict[str, list[str]] = field(default_factory=dict)
    latest: dict[str, list[Any]] = field(default_factory=dict)

    def identified(self, *identity: str) -> int:
        """The number of an identity."""
        if list(identity) not in self.identities:
            self.identities.append(list(identity))
        return self.identities.index(list(identity))
