"""Have the shares of categories changed since the reference? One stream, looked at as often as one likes.

For streams of few kinds of things: quality flags, boolean channels, operating modes. Categories that come in runs,
as flags do, are no drift: only what changes the chances of going from one to the next is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import lgamma, log

import numpy as np

from .words import F64, I64, Bools

#: What is in none of the categories that were named.
OTHER = "other"
#: Readings between two starts.
SPACING = 16
#: So many starts are remembered.
STARTS = 32
#: Fewer readings are no reference.
SMALLEST = 50
#: So many readings in a row of a category that the reference never had are told whatever the evidence.
NEW_RUN = 20
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class CategoryAlarm:
    """What was found.

    ``category`` changed its share most, for its size, from ``before`` to ``now``; their difference lies in [``low``,
    ``high``] with about 95 % confidence, by the readings that the shares are worth.
    ``kind``: ``new`` (the reference never had it), ``vanished``, ``share``, or ``order`` (the shares stayed, what
    follows what did not). ``at`` is the index within the codes that were handed in, ``began`` the number of the
    reading (the first after the reference or ``rearm`` is 0) that the change is estimated to start with. ``evidence``
    is the statistic over its threshold, at least 1.
    """

    at: int
    kind: str
    category: str
    before: float
    now: float
    low: float
    high: float
    began: int
    evidence: float


@dataclass
class CategoryState:
    """What is remembered of one stream, K categories, at most 32 starts: 32 K^2 + 6 K^2 numbers.

    reference  int64[K, K]: transitions in the reference
    price      log of what the reference's own law costs
    counts     int64[starts, K, K]: transitions since each start
    evidence   float64[starts]: log of the e-value since each start
    begun      int64[starts]: number of the reading that each start begins with, ascending
    seen       readings after the reference or ``rearm``
    last       code of the reading before; -1: none
    run        length of the present run of a category that the reference never had
    known      bool[K]: categories that the reference had, or that were told as new
    alarmed    it is silent until it is armed again
    """

    reference: I64
    price: float
    counts: I64
    evidence: F64 = field(default_factory=lambda: np.zeros(0))
    begun: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    seen: int = 0
    last: int = -1
    run: int = 0
    known: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))
    alarmed: bool = False


class CategoryTest:
    """Alarms at most once in 1 / ``false_alarms_per_sample`` readings on average, while nothing changes.

    Nothing changes: one Markov chain of order 1, whatever it is, gave the reference and what came since. Since each of
    many starts, the mixture of all chains for what came since and that for the reference (Dirichlet(1/K) for each of K
    rows: Perks, 1947; categories that never occur then cost little) are set against the best single chain for both
    (universal inference: Wasserman, Ramdas & Balakrishnan, 2020). That ratio is an e-process whatever the chain. A
    start every 16 readings, summed as in Shiryaev-Roberts, bounds the rate of false alarms (e-detectors: Shin, Ramdas &
    Rinaldo, 2023), averaged over references; old starts are dropped by age alone, which can only lower the sum.

    A chain may stay for ever in a category that nobody has seen it in, so no such evidence can speak against that: 20
    readings in a row of one are told by a rule, outside the guarantee, once for each category.

    ``categories`` must be named beforehand, not taken from the reference; everything else counts as ``other``.

    >>> import numpy as np
    >>> test = CategoryTest(["good", "bad"], false_alarms_per_sample=1e-4)
    >>> state = test.fit(test.codes(["good"] * 400))
    >>> test.update(state, test.codes(["good"] * 300))
    >>> test.update(state, test.codes(["bad"] * 40)).kind
    'new'
    """

    def __init__(self, categories: Sequence[str], false_alarms_per_sample: float) -> None:
        if len(set(categories)) != len(categories) or not categories:
            raise ValueError(f"categories must be distinct, and at least one: {list(categories)}")
        if not 0 < false_alarms_per_sample < 1:
            raise ValueError(f"false_alarms_per_sample {false_alarms_per_sample} is not between 0 and 1")
        self.categories = (*categories, *(() if OTHER in categories else (OTHER,)))
        self._number = {name: code for code, name in enumerate(self.categories)}
        self._limit = log(1 / false_alarms_per_sample / SPACING)

    def codes(self, names: Sequence[str]) -> I64:
        """Names as numbers of categories, int64[n]."""
        other = self._number[OTHER]
        return np.array([self._number.get(name, other) for name in names], np.int64)

    def fit(self, codes: I64) -> CategoryState:
        """Learn the reference (int64[n], oldest first). Raises ValueError on fewer than 50 readings."""
        codes = self._checked(codes)
        if len(codes) < SMALLEST:
            raise ValueError(f"a reference needs {SMALLEST} readings, this one has {len(codes)}")
        k = len(self.categories)
        counts = np.zeros((k, k), np.int64)
        np.add.at(counts, (codes[:-1], codes[1:]), 1)
        return self.learned(counts, int(codes[-1]))

    def learned(self, counts: I64, last: int) -> CategoryState:
        """A reference of which the transitions (int64[K, K]) were counted; ``last`` is the code it ended with."""
        price = sum(_mixture(row.tolist()) - _best(row.tolist()) for row in counts)
        known = counts.sum(axis=0) + counts.sum(axis=1) > 0
        return CategoryState(counts, price, np.zeros((0, *counts.shape), np.int64), last=last, known=known)

    def update(self, state: CategoryState, codes: I64) -> CategoryAlarm | None:
        """Take in readings (int64[n]); the first alarm, if any. The same however the stream is cut.

        After an alarm the stream is silent until ``rearm``.
        """
        codes, at = self._checked(codes), 0
        while at < len(codes) and not state.alarmed:
            if state.seen % SPACING == 0:
                _begin(state)
            some = codes[at : at + SPACING - state.seen % SPACING]
            trace, runs = _evidence(state, some), _runs(state, some)
            over = np.flatnonzero((_total(trace) >= self._limit) | (runs >= NEW_RUN))
            taken = int(over[0]) + 1 if len(over) else len(some)
            _take(state, some[:taken], trace[:, taken - 1], int(runs[taken - 1]))
            at += taken
            if len(over):
                state.alarmed = True
                state.known[state.last] = True
                return self._told(state, at - 1, float(_total(trace)[taken - 1]))
        return None

    def rearm(self, state: CategoryState) -> None:
        """Listen again, against the same reference."""
        state.counts, state.evidence, state.begun = state.counts[:0], state.evidence[:0], state.begun[:0]
        state.seen, state.run, state.alarmed = 0, 0, False

    def _checked(self, codes: I64) -> I64:
        codes = np.asarray(codes, np.int64)
        if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(self.categories):
            raise ValueError(f"a code is not between 0 and {len(self.categories) - 1}")
        return codes

    def _told(self, state: CategoryState, at: int, total: float) -> CategoryAlarm:
        told = total >= self._limit
        best = int(
            state.evidence.argmax() if told else np.searchsorted(state.begun, state.seen - state.run, "right") - 1
        )
        before, now = state.reference.sum(axis=0), state.counts[best].sum(axis=0)
        was, is_ = before / before.sum(), now / now.sum()
        # Relative to the share, so that the rarer of two is named: one grows by what the other loses.
        worst = int((np.abs(is_ - was) / np.sqrt(was + is_ + 1e-9)).argmax()) if told else state.last
        gap = float(is_[worst] - was[worst])
        half = _Z95 * sum(
            _variance(float(share[worst]), _worth(counts, worst))
            for share, counts in ((was, state.reference), (is_, state.counts[best]))
        ) ** 0.5  # fmt: skip
        kind = "share" if abs(gap) > half else "order"
        kind = "new" if before[worst] == 0 < now[worst] else "vanished" if now[worst] == 0 < before[worst] else kind
        return CategoryAlarm(
            at, kind, self.categories[worst], float(was[worst]), float(is_[worst]), max(gap - half, -1.0),
            min(gap + half, 1.0), int(state.begun[best]), float(np.exp(np.clip(total - self._limit, 0.0, 700.0))),
        )  # fmt: skip


def _begin(state: CategoryState) -> None:
    """A new start; of too many, the one goes that leaves the smallest gap in the logarithm of the ages."""
    state.counts = np.concatenate([state.counts, np.zeros((1, *state.reference.shape), np.int64)])
    state.evidence = np.append(state.evidence, state.price)
    state.begun = np.append(state.begun, state.seen)
    if len(state.begun) > STARTS:
        ages = (state.seen - state.begun + 1).astype(np.float64)
        keep = np.ones(len(ages), bool)
        keep[1 + int((ages[:-2] / ages[2:]).argmin())] = False
        state.counts, state.evidence, state.begun = state.counts[keep], state.evidence[keep], state.begun[keep]


def _evidence(state: CategoryState, codes: I64) -> F64:
    """The log of each start's evidence after each reading (float64[starts, n]): the mixture's gain over the best chain.

    Changes nothing; what came before within ``codes`` is counted too.
    """
    rows, k = np.append(state.last, codes[:-1]), len(state.reference)
    earlier = (rows[:, None] == rows) & np.tri(len(codes), k=-1, dtype=bool)
    n = state.counts.sum(axis=2)[:, rows] + earlier.sum(axis=1)
    m = state.counts[:, rows, codes] + (earlier & (codes[:, None] == codes)).sum(axis=1)
    both_n, both_m = n + state.reference.sum(axis=1)[rows], m + state.reference[rows, codes]
    gain = np.log((m + 1 / k) / (n + 1))
    best = (_power(both_m + 1) - _power(both_m)) - (_power(both_n + 1) - _power(both_n))
    # Accumulated, so that the order of the sums is that of the readings.
    out: F64 = np.add.accumulate(np.column_stack([state.evidence, gain - best]), axis=1)[:, 1:]
    return out


def _total(trace: F64) -> F64:
    """Log of the sum over all starts, float64[n]; the largest term is taken out, so that no exponential overflows."""
    top = trace.max(axis=0)
    # Accumulated: a library's sum may order by memory layout.
    out: F64 = top + np.log(np.add.accumulate(np.exp(trace - top), axis=0)[-1])
    return out


def _runs(state: CategoryState, codes: I64) -> I64:
    """How many readings in a row each one ends, of a category that the reference never had; 0 for others. int64[n]."""
    out = np.zeros(len(codes), np.int64)
    if not state.known[codes].all():
        run, last = state.run, state.last
        for i, code in enumerate(codes.tolist()):
            run = 0 if state.known[code] else run + 1 if last == code else 1
            out[i], last = run, code
    return out


def _take(state: CategoryState, codes: I64, evidence: F64, run: int) -> None:
    """Remember readings."""
    further = np.zeros_like(state.reference)
    np.add.at(further, (np.append(state.last, codes[:-1]), codes), 1)
    state.counts = state.counts + further
    state.evidence, state.run = evidence.copy(), run
    state.last, state.seen = int(codes[-1]), state.seen + len(codes)


def _power(n: I64) -> F64:
    """Each n log n, 0 at 0."""
    plain = n.astype(np.float64)
    out: F64 = plain * np.log(np.maximum(plain, 1.0))
    return out


def _mixture(row: list[int]) -> float:
    k = len(row)
    return sum(lgamma(n + 1 / k) for n in row) - k * lgamma(1 / k) - lgamma(sum(row) + 1)


def _best(row: list[int]) -> float:
    total = sum(row)
    return sum(n * log(n / total) for n in row if n)


def _worth(counts: I64, category: int) -> float:
    """Readings that the share of a category is worth: over (1 + rho) / (1 - rho), rho of staying in or out of it."""
    total, inside = float(counts.sum()), float(counts[category].sum())
    enters = float(counts[:, category].sum() - counts[category, category]) / max(total - inside, 1.0)
    stays = float(counts[category, category]) / max(inside, 1.0)
    rho = min(max(stays - enters, 0.0), 0.99)
    return max(total * (1 - rho) / (1 + rho), 1.0)


def _variance(share: float, worth: float) -> float:
    """Of a share; never 0, because a share of none in few readings may be one of some (Agresti & Coull, 1998)."""
    centred = (share * worth + 2) / (worth + 4)
    return centred * (1 - centred) / (worth + 4)
