"""What every detector is: parameters, a state of plain arrays, and one step for many series at once.

A detector reads each series strictly forward: a score depends on that series' readings up to and
including the one scored, and on nothing else. No clock, no randomness, no look-ahead, no sight of
other series. Cutting the same readings into other batches gives the same scores, bit for bit.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ..order import order_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Key = slice | Ints

CHUNK = 4096  # readings scored in one go: few enough for the processor's cache
TALLEST = 256  # readings of one series in one go
LARGEST = 1e150  # larger magnitudes are treated as not-a-number: their squares would overflow


@dataclass(frozen=True, slots=True)
class Scores:
    """One score in [0, 1] and one reason code per reading, in the order the readings came."""

    score: Floats
    reason: Bytes


def column(fill: float = 0) -> Any:
    """Declare a state array; rows of series not seen yet hold `fill`."""
    return field(metadata={"fill": fill})


@dataclass
class State:
    """Arrays whose leading axis is the series, and plain ints. Nothing else: it is saved as it is.

    Arrays may have more rows than `series` (the next power of two), so that adding series one at a
    time stays cheap; the spare rows hold the declared fill, so a snapshot stays a pure function of
    the readings seen.
    """

    series: int

    def arrays(self) -> Iterator[tuple[str, NDArray[Any], float]]:
        """Name, array and fill of each array."""
        for item in fields(self):
            if "fill" in item.metadata:
                yield item.name, getattr(self, item.name), item.metadata["fill"]


S = TypeVar("S", bound=State)


class Detector(BaseModel, Generic[S], frozen=True, extra="forbid"):
    """Scores readings of many series, one reading per series and step. Fields are the parameters."""

    kind: ClassVar[str]
    reasons: ClassVar[tuple[str, ...]]
    affine: ClassVar[bool] = True  # scores stay the same when x becomes a x + b with a > 0

    threshold: float = Field(default=0.5, ge=0, le=1, description="scores from here on are alarms")

    @abstractmethod
    def start(self) -> S:
        """State for zero series."""

    @abstractmethod
    def step(self, state: S, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""

    def run(self, state: S, key: Key, times: Ints, values: Floats) -> Scores:
        """Score t finite readings for each series of `key`: all arrays are [t, k].

        The same as t steps, bit for bit. Detectors override it where they know a faster way.
        """
        parts = [self.step(state, key, times[i], values[i]) for i in range(len(values))]
        return Scores(np.stack([p.score for p in parts]), np.stack([p.reason for p in parts]))

    def grow(self, state: S, n: int) -> None:
        """Make room for series 0 .. n-1."""
        if n <= state.series:
            return
        rows = 1 << (n - 1).bit_length()
        for name, array, fill in list(state.arrays()):
            if len(array) < rows:
                more = np.full((rows - len(array), *array.shape[1:]), fill, array.dtype)
                setattr(state, name, np.concatenate((array, more)))
        state.series = n

    def score(self, state: S, rows: Ints, times: Ints, values: Floats) -> Scores:
        """Score one reading for each of k distinct series; the arrays in `state` move on.

        rows: int64[k] series numbers. times: int64[k] nanoseconds UTC. values: float64[k].
        A value that is NaN, infinite or beyond 1e150 scores 0 and leaves the state unchanged.
        """
        with np.errstate(all="ignore"):
            usable = np.abs(values) <= LARGEST
            if usable.all():
                return self.step(state, as_key(rows), times, values) if len(rows) else silence(0)
            out, chosen = silence(len(rows)), np.flatnonzero(usable)
            if len(chosen):
                part = self.step(state, as_key(rows[chosen]), times[chosen], values[chosen])
                out.score[chosen], out.reason[chosen] = part.score, part.reason
            return out


def silence(k: int) -> Scores:
    """Scores of k readings with nothing unusual."""
    return Scores(np.zeros(k), np.zeros(k, np.uint8))


def as_key(rows: Ints) -> Key:
    """A slice when the series are consecutive: numpy then works in place instead of copying."""
    first, k = int(rows[0]), len(rows)
    if k == 1 or (int(rows[-1]) - first == k - 1 and bool((rows[1:] - rows[:-1] == 1).all())):
        return slice(first, first + k)
    return rows


def as_rows(key: Key) -> Ints:
    """The series numbers of a key."""
    return np.arange(key.start, key.stop) if isinstance(key, slice) else key


def rectangles(rows: Ints) -> Iterator[Ints]:
    """Cut a batch into rectangles [t, k] of positions: t readings in a row of the same k series.

    A batch holds its readings in arrival order and series repeat. Each series' readings keep their
    order; how series are interleaved has no meaning to a detector.
    """
    order = order_of(rows)
    ordered = rows[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    count = np.diff(np.append(first, len(rows)))
    done = 0
    for level in np.unique(count).tolist():
        series = first[count >= level]
        height = min(max(CHUNK // len(series), 1), TALLEST)
        for top in range(done, level, height):
            yield order[series + np.arange(top, min(top + height, level))[:, None]]
        done = level


def score_batch(detector: Detector[S], state: S, rows: Ints, times: Ints, values: Floats) -> Scores:
    """Score a batch in arrival order, in which series may repeat. Room must have been made (`grow`)."""
    out = silence(len(rows))
    with np.errstate(all="ignore"):
        usable = np.flatnonzero(np.abs(values) <= LARGEST)
        if len(usable):
            for part in rectangles(rows[usable]):
                at = usable[part]
                found = detector.run(state, as_key(rows[at[0]]), times[at], values[at])
                out.score[at], out.reason[at] = found.score, found.reason
    return out
