"""Watches categories: the quality flags of every series, and the values of channels whose numbers are codes.

Nearly every series only ever has one flag. For those a count is kept and nothing is computed: the statistic of
models.drift.categories has one start then, the latest. Which starts are dropped is decided before a reading is seen,
so this can only lower it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.instants import DAY, SECOND
from models.drift.categories import OTHER, SMALLEST, SPACING, STARTS, CategoryAlarm, CategoryState, CategoryTest

from ..numbering import Ints, grown

#: Codes of a channel; K categories take 256 K^2 bytes in a series that has several.
MOST = 16
FLAGS = ("good", "uncertain", "bad")
_YEAR = 365.25 * DAY
#: Where nobody knows how often a series is read.
_USUAL = 60 * SECOND
_LARGEST_RATE = 0.01


def _ints() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Categories:
    """``seen``, ``first`` and ``slot`` have a row per series, the rest has one per slot; K categories at most.

    seen      readings since the reference was begun
    first     the category that all of them had, where there is no slot
    slot      row of the rest; -1: none yet
    used      slots that are taken
    learned   transitions in the reference, int64[slots, K, K]
    counts, evidence, begun, price, tested, last, run, known, alarmed: as in models.drift.categories.CategoryState
    starts    how many of STARTS are taken
    """

    seen: Ints = field(default_factory=_ints)
    first: Ints = field(default_factory=_ints)
    slot: Ints = field(default_factory=_ints)
    used: int = 0
    learned: Ints = field(default_factory=lambda: np.zeros((0, 0, 0), np.int64))
    counts: Ints = field(default_factory=lambda: np.zeros((0, STARTS, 0, 0), np.int64))
    evidence: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, STARTS)))
    begun: Ints = field(default_factory=lambda: np.zeros((0, STARTS), np.int64))
    price: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    starts: Ints = field(default_factory=_ints)
    tested: Ints = field(default_factory=_ints)
    last: Ints = field(default_factory=_ints)
    run: Ints = field(default_factory=_ints)
    known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), np.bool_))
    alarmed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def make_room(self, series: int, k: int) -> None:
        """A row for each of so many series, with up to ``k`` categories; with another number all begin anew."""
        if self.learned.shape[1] != k:
            blank = Categories(
                learned=np.zeros((0, k, k), np.int64),
                counts=np.zeros((0, STARTS, k, k), np.int64),
                known=np.zeros((0, k), np.bool_),
            )
            for each in fields(self):
                setattr(self, each.name, getattr(blank, each.name))
        self.seen, self.first = grown(self.seen, series), grown(self.first, series)  # type: ignore[assignment]  # ints
        self.slot = grown(self.slot, series, -1)  # type: ignore[assignment]  # ints stay ints

    def new_slot(self) -> int:
        """A slot that nobody has."""
        self.used += 1
        for each in fields(self)[4:]:
            setattr(self, each.name, grown(getattr(self, each.name), self.used))
        self.last[self.used - 1] = -1
        return self.used - 1

    def begin_again(self, row: int) -> None:
        """Learn a series anew from the next reading on."""
        if row >= len(self.seen):
            return
        self.seen[row], slot = 0, int(self.slot[row])
        if slot >= 0:
            self.learned[slot], self.last[slot], self.alarmed[slot] = 0, -1, False

    def state_of(self, slot: int, k: int) -> CategoryState:
        """What a test with ``k`` categories works on."""
        n = int(self.starts[slot])
        return CategoryState(
            reference=self.learned[slot, :k, :k],
            price=float(self.price[slot]),
            counts=self.counts[slot, :n, :k, :k].copy(),
            evidence=self.evidence[slot, :n].copy(),
            begun=self.begun[slot, :n].copy(),
            seen=int(self.tested[slot]),
            last=int(self.last[slot]),
            run=int(self.run[slot]),
            known=self.known[slot, :k].copy(),
            alarmed=bool(self.alarmed[slot]),
        )

    def keep(self, slot: int, state: CategoryState) -> None:
        """Remember what a test has worked on."""
        n, k = len(state.begun), len(state.reference)
        self.learned[slot, :k, :k], self.price[slot] = state.reference, state.price
        self.counts[slot, :n, :k, :k], self.evidence[slot, :n], self.begun[slot, :n] = (
            state.counts,
            state.evidence,
            state.begun,
        )
        self.starts[slot], self.tested[slot], self.last[slot], self.run[slot] = n, state.seen, state.last, state.run
        self.known[slot, :k], self.alarmed[slot] = state.known, state.alarmed


class Changed(NamedTuple):
    """An alarm at place ``at`` of the readings that were handed in.

    ``number``: how many readings the series had by then, ``ago``: how many of them since it began.
    ``reference``: transitions in the reference.
    """

    at: int
    row: int
    alarm: CategoryAlarm
    number: int
    ago: int
    reference: Ints


@dataclass(frozen=True)
class Given:
    """Readings as they are handed in: rows int64[n], values float64[n], quality flags uint8[n]."""

    rows: Ints
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


class CategoryWatch:
    """The test at work; ``size`` readings make a reference, ``codes`` says which series' values are categories."""

    def __init__(self, size: int, codes: Mapping[str, tuple[float, ...]]) -> None:
        self.size, self.codes = max(size, SMALLEST), codes
        self._of: dict[str, tuple[float, ...]] = {}
        most = max((len(values) for values in codes.values()), default=0)
        # The flags, the codes, and whatever is none of them; a code takes the place of "good".
        self.k = len(FLAGS) + 1 + max(most - 1, 0)

    def feed(
        self, kept: Categories, names: Mapping[str, int], given: Given, cadence: NDArray[np.float64], rate: float
    ) -> Iterator[Changed]:
        """Learn from what comes first, and test what follows; ``rate``: false alarms per year in each series."""
        kept.make_room(len(names), self.k)
        rows = given.rows
        codes, values = self._coded(names, given)
        new = np.flatnonzero((kept.seen[rows] == 0) & (kept.slot[rows] < 0))
        met, first = np.unique(rows[new], return_index=True)
        kept.first[met] = codes[new[first]]
        plain = (codes == kept.first[rows]) & (kept.slot[rows] < 0)
        mixed = [] if plain.all() else np.unique(rows[~plain]).tolist()
        for row in mixed:
            at = np.flatnonzero(rows == row)
            test = _test(values.get(row, ()), _per_reading(rate, float(cadence[row])))
            yield from self._follow(kept, row, test, codes[at], at)
        simple = ~np.isin(rows, mixed) if mixed else slice(None)
        kept.seen += np.bincount(rows[simple], minlength=len(kept.seen))

    def codes_of(self, name: str) -> tuple[float, ...]:
        """The codes of a series; none where its values are no categories."""
        found = self._of.get(name)
        if found is None:
            found = next((each for pattern, each in self.codes.items() if fnmatchcase(name, pattern)), ())
            self._of[name] = found
        return found

    def _coded(self, names: Mapping[str, int], given: Given) -> tuple[Ints, dict[int, tuple[float, ...]]]:
        """The category of each reading, int64[n], and the codes of the series that have any."""
        codes = np.minimum(given.quality, len(FLAGS) - 1).astype(np.int64)
        values: dict[int, tuple[float, ...]] = {}
        if not self.codes:
            return codes, values
        known = list(names)
        for row in np.unique(given.rows).tolist():
            if not (found := self.codes_of(known[row])):
                continue
            values[row], at = found, np.flatnonzero(given.rows == row)
            which = np.full(len(at), len(found) + len(FLAGS) - 1, np.int64)
            for number, value in enumerate(found):
                which[given.values[at] == value] = number
            flagged = codes[at] > 0
            which[flagged] = len(found) + codes[at][flagged] - 1
            codes[at] = which
        return codes, values

    def _follow(self, kept: Categories, row: int, test: CategoryTest, codes: Ints, at: Ints) -> Iterator[Changed]:
        if kept.slot[row] < 0:
            same = int((codes != kept.first[row]).argmax())
            kept.seen[row] += same
            codes, at = codes[same:], at[same:]
            kept.slot[row] = self._unfold(kept, row, test)
        slot = int(kept.slot[row])
        early = min(max(self.size - int(kept.seen[row]), 0), len(codes))
        kept.seen[row] += len(codes)
        if early:
            before = np.append(kept.last[slot], codes[: early - 1])
            follows = before >= 0
            np.add.at(kept.learned[slot], (before[follows], codes[:early][follows]), 1)
            kept.last[slot] = codes[early - 1]
            if kept.seen[row] < self.size:
                return
            k = len(test.categories)
            kept.keep(slot, test.learned(kept.learned[slot, :k, :k].copy(), int(kept.last[slot])))
        state = kept.state_of(slot, len(test.categories))
        alarm = test.update(state, codes[early:])
        kept.keep(slot, state)
        if alarm is not None:
            place = early + alarm.at
            number = int(kept.seen[row]) - len(codes) + place + 1
            yield Changed(int(at[place]), row, alarm, number, state.seen - alarm.began, state.reference)

    def _unfold(self, kept: Categories, row: int, test: CategoryTest) -> int:
        """A slot for a series that has had one category so far, as if all had been counted there."""
        slot, first, seen = kept.new_slot(), int(kept.first[row]), int(kept.seen[row])
        if not seen:
            return slot
        kept.learned[slot, first, first], kept.last[slot] = min(seen, self.size) - 1, first
        if seen >= self.size:
            k, tested = len(test.categories), seen - self.size
            state = test.learned(kept.learned[slot, :k, :k].copy(), first)
            state.seen = tested - tested % SPACING
            test.update(state, np.full(tested % SPACING, first, np.int64))
            kept.keep(slot, state)
        return slot

    def rearm(self, kept: Categories, row: int) -> None:
        """Listen again, against the same reference."""
        slot = int(kept.slot[row]) if row < len(kept.slot) else -1
        if slot >= 0 and kept.alarmed[slot]:
            state = kept.state_of(slot, self.k)
            _test((), _LARGEST_RATE).rearm(state)
            kept.keep(slot, state)


def named(codes: tuple[float, ...]) -> tuple[str, ...]:
    """The categories of a series with these codes; of its flags where there are none. Raises ValueError."""
    names = tuple(f"{code:g}" for code in codes)
    if len(set(names)) != len(names) or len(names) > MOST:
        raise ValueError(f"codes must be different numbers, {MOST} at most: {', '.join(names)}")
    return (*(names or FLAGS[:1]), *FLAGS[1:])


@lru_cache(maxsize=256)
def _test(codes: tuple[float, ...], rate: float) -> CategoryTest:
    return CategoryTest(named(codes), rate)


def _per_reading(rate: float, per_day: float) -> float:
    return min(rate * (DAY / per_day if per_day else _USUAL) / _YEAR, _LARGEST_RATE)


def digest_of(reference: Ints) -> str:
    """Which reference it is, by the transitions in it."""
    return blake2b(np.ascontiguousarray(reference).tobytes(), digest_size=16).hexdigest()


def text_of(alarm: CategoryAlarm) -> str:
    """What happened, for people."""
    name = "what is none of the known categories" if alarm.category == OTHER else repr(alarm.category)
    return f"{name} was {alarm.before:.1%} of the readings, now it is {alarm.now:.1%}"
