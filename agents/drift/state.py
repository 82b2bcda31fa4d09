"""What the drift agent remembers: of every series its reference, of every asset the drift that was told."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import CorruptEvent

from ..numbering import Ints, grown
from .categories import Categories


def _ints() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Watched:
    """One row per series: the readings of its reference until there are enough, then the test's own state.

    test      state of models.drift.DriftTest
    seen      readings since the reference was begun, and those that were missing since it was complete
    need      readings that the series' own reference takes; 0 where a bundle brought it
    values    the readings of the reference, float64[series, reference_readings]
    times     their times, int64[series, reference_readings]
    origin    ordinal of the first reading that was counted
    begun     its event time
    newest    newest event time of a reading
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
    newest: Ints = field(default_factory=_ints)
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
        for name in (
            "seen",
            "values",
            "times",
            "origin",
            "begun",
            "newest",
            "adopted",
            "cadence",
            "covered",
            "identity",
        ):
            setattr(self, name, grown(getattr(self, name), len(self.names)))
        self.need = grown(self.need, len(self.names), size)  # type: ignore[assignment]  # ints stay ints

    def begin_again(self, row: int, need: int) -> None:
        """Count the readings of a series from the next one on."""
        self.seen[row], self.need[row], self.adopted[row] = 0, need, False


#: Channels of an asset that are watched in pairs at most.
MATES = 8


@dataclass
class Mates:
    """The first channels of each asset, and what each said last; a row per series but in ``table``.

    assets  asset -> its number
    table   their series' rows by asset and place, int64[assets, MATES]; -1: none
    asset   number of the asset, place  place in ``table``; -1: none
    spoke   whether it was tested yet, time  its last event time, value  its last value, standardised
    pair    numbers of the pairs with the series in each place, int64[series, MATES]; -1: none yet
    """

    assets: dict[str, int] = field(default_factory=dict)
    table: Ints = field(default_factory=lambda: np.zeros((0, MATES), np.int64))
    asset: Ints = field(default_factory=_ints)
    place: Ints = field(default_factory=_ints)
    spoke: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    time: Ints = field(default_factory=_ints)
    value: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    pair: Ints = field(default_factory=lambda: np.zeros((0, MATES), np.int64))

    def make_room(self, series: int) -> None:
        """A row for each of so many series."""
        for name in ("asset", "place", "pair"):
            setattr(self, name, grown(getattr(self, name), series, -1))
        for name in ("spoke", "time", "value"):
            setattr(self, name, grown(getattr(self, name), series))

    def meet(self, row: int, asset: str, most: int) -> None:
        """Give a series a place among the first ``most`` of its asset, if there is one."""
        self.asset[row] = number = self.assets.setdefault(asset, len(self.assets))
        self.table = grown(self.table, len(self.assets), -1)  # type: ignore[assignment]  # ints stay ints
        taken = int((self.table[number] >= 0).sum())
        if taken < most:
            self.table[number, taken], self.place[row] = row, taken


#: Of what a state means; raised when one that was saved before would be misread. Shapes are compared besides.
FORMAT = 2


@dataclass
class DriftState:
    """The series of a partition, and the pairs of channels where these are watched.

    format      FORMAT of the code that saved it
    series      every series
    pairs       agreements of two channels of an asset, as series of their own
    categories  quality flags of every series, and values that are codes
    identities  (bundle, feature set, environment, who scores with it) that references were made with, in order of
                appearance
    serving     agent, or agent.choice -> digest of the bundle that it scores with, as far as the log said so
    changing    series -> [who, why, event id, digest of the reference before]: its new reference is being learned
    told        asset -> [id, event time] of the drift that further ones are part of
    alarmed     series -> id of its drift, until somebody acknowledges it
    mates       which channels are watched in pairs
    """

    series: Watched
    pairs: Watched
    categories: Categories = field(default_factory=Categories)
    identities: list[list[str]] = field(default_factory=list)
    serving: dict[str, str] = field(default_factory=dict)
    changing: dict[str, list[str]] = field(default_factory=dict)
    told: dict[str, list[Any]] = field(default_factory=dict)
    alarmed: dict[str, str] = field(default_factory=dict)
    mates: Mates = field(default_factory=Mates)
    format: int = FORMAT

    def verify(self, fresh: "DriftState") -> None:
        """Refuse a state whose test remembers something else than that of ``fresh``. Raises CorruptEvent."""
        if self.format != FORMAT:
            raise CorruptEvent(f"a drift state of format {self.format}, this version has {FORMAT}")
        for watched in (self.series, self.pairs):
            for each in fields(fresh.series.test):
                saved, expected = getattr(watched.test, each.name), getattr(fresh.series.test, each.name)
                if isinstance(expected, np.ndarray) and saved.shape[1:] != expected.shape[1:]:
                    raise CorruptEvent(
                        f"a drift state of another version: {each.name} has the shape {saved.shape[1:]} in a series, "
                        f"here it has {expected.shape[1:]}"
                    )

    def identified(self, *identity: str) -> int:
        """The number of an identity."""
        if list(identity) not in self.identities:
            self.identities.append(list(identity))
        return self.identities.index(list(identity))
