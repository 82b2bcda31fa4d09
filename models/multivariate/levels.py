"""Levels of all channels of an asset against slow baselines that stand still while they are left."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from ..detectors.base import LARGEST, Detector, Flags, Floats, Ints, Key, Scores, State, as_rows, column
from .alarms import GO_ON, turn, votes
from .training import (
    BASES,
    EARLY,
    JUDGES,
    LEVELS,
    RECENT,
    VOICES,
    WINDOWS,
    begin,
    clipped,
    kept,
    learn,
    levels,
    rescale,
    span,
)

FAR = 3.5  # scales from the baseline: a score of 0.5
ABRUPT = 4.0  # scales between neighbouring means: likewise
SILENT = 60  # rows of its asset after which a channel that said nothing is left out
CLIP = 5.0  # ranges of the training beyond the baseline: further away is as good as there
MIDDLE = JUDGES // 2
LEARNS = 500.0  # readings that the usual distance goes back
SURPRISE = 2.5  # usual distances: a larger one is learnt as if it were that

_FAST = np.tile([False, True], JUDGES)


@dataclass
class LevelsState(State):
    """A row per series; those of assets are indexed by the asset's own number, which is never larger.

    origin   middle of the first values: all others are counted from it
    seen     readings so far
    heard    row of the asset at the last one
    ring     last readings
    base     baselines, slow and fast, of each of three judges
    taught, usual, least   distances from them: of the training, of late, and of noise alone
    scale    of these distances; infinite before the end of the training
    sudden   scale of changes, likewise
    away     distances at the last reading, over their scale
    peak     largest of them in the judge's alarm
    until    row of the asset to which a baseline keeps to the level
    span     range of the training
    low, high, noise, tops   of the training: range; count, mean and squares of residuals; largest distances
    rows     rows of an asset so far
    since    row in which each judge's alarm began, -1 when there is none
    alarm    1 while the asset has one
    changed  row of its last change
    """

    origin: Floats = column()
    seen: Ints = column()
    heard: Ints = column()
    ring: Floats = column()
    base: Floats = column()
    taught: Floats = column()
    usual: Floats = column()
    least: Floats = column()
    scale: Floats = column(np.inf)
    sudden: Floats = column(np.inf)
    away: Floats = column()
    peak: Floats = column()
    until: Ints = column()
    span: Floats = column()
    low: Floats = column()
    high: Floats = column()
    noise: Floats = column()
    tops: Floats = column()
    rows: Ints = column()
    since: Ints = column(-1)
    alarm: Ints = column()
    changed: Ints = column(-(2**40))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one row of an asset.

    score    how far the farthest channel is away, in [0, 1]; from the threshold on as long as an alarm is on
    alarm    whether an alarm is on after it; ``began`` and ``ended``: whether that is new
    shares   of the channels in the score, in the order of ``members``; they sum up to 1, or are all 0
    change   how abruptly levels changed, in [0, 1]; 0 where that is no news
    changes  shares of the channels in the change, in the order of the readings
    """

    score: float
    alarm: bool
    began: bool
    ended: bool
    shares: Floats
    change: float
    changes: Floats


class Levels(Detector[LevelsState], frozen=True, extra="forbid"):
    """How far the level of each channel is from where it belongs, on the channel's own scale; the farthest counts.

    Three judges each take a level of their own, the mean of 8, 10 and 12 readings, and compare it with two baselines:
    exponential means over about 1,000 readings, and over three times the level's. The slow one sees what stays away,
    the fast one what moves within an otherwise wandering channel. It takes all three to begin an alarm, and two to go
    on, so that none hangs on the length of a window.

    The scale of each comparison is what nine in ten of the training's readings did not exceed (its first three eighths
    are for settling), at least the noise of the level, and at least the distances that have become usual since: what
    drifts slowly widens it before it alarms. A channel that wandered further than its noise explains is believed less:
    its scale grows with the ratio to the power 1.5.

    The score is z / (z + 3.5) of the largest distance z that each judge saw, of the judge that saw least, in an alarm
    of the middle one: 0.5 is 3.5 scales. A judge's alarm begins there.
    Baselines of the channels that lead it (whose peak is over the limit, or half of the largest) stand still from then
    on, so that a fault does not become the normal; the others go on following. It ends when all leading ones are back:
    within 0.3 of the limit, or a tenth of their peak. Where they came back to is the new place of their fast baseline,
    and where that is not quite the old one, of the slow one. An alarm that lasts ``longest`` rows is taken for the new
    normal.

    Changes are told beside it: the mean of 20 readings against that of the 20 before, over its scale in training.

    Readings that are absurdly far away are clipped, but for those of a channel that has never varied. A channel that
    was constant in training says nothing. One that is missing in some rows keeps its last distance for 60 rows. Times
    only order the rows.

    Source: own; docs/decisions/0018-multivariate-detector.md says what was tried. Voting: L. Breiman, Bagging
    predictors, Machine Learning 24 (1996).

    >>> import numpy as np
    >>> detector = Levels()
    >>> state = detector.start()
    >>> detector.grow(state, 3)
    >>> noise = np.random.default_rng(7).normal(size=(600, 3))
    >>> noise[500:550, 1] += 5
    >>> three = np.arange(3)
    >>> said = [detector.judge(state, 0, three, three, row) for row in noise]
    >>> [(row, each.shares.round(1).tolist()) for row, each in enumerate(said) if each.began]
    [(502, [0.0, 0.9, 0.1])]
    >>> [row for row, each in enumerate(said) if each.ended]
    [558]
    """

    kind: ClassVar[str] = "levels"
    revision: ClassVar[int] = 2
    reasons: ClassVar[tuple[str, ...]] = ("", "away from its usual level")

    training: int = Field(default=400, ge=100, le=100_000, description="readings of a channel; they should be clean")
    memories: tuple[float, float] = Field(
        default=(1000.0, 30.0), description="readings that baselines go back; the second for a level of 10"
    )
    rest: int = Field(default=30, ge=0, description="rows after a change in which no other is told")
    longest: int = Field(default=500, ge=100, description="rows; a longer alarm is the new normal")

    def start(self) -> LevelsState:
        """State for zero series."""
        flat, ints, bases = np.empty(0), np.empty(0, np.int64), np.empty((0, BASES))
        return LevelsState(
            series=0, origin=flat, seen=ints, heard=ints, ring=np.empty((0, RECENT)), base=bases, taught=bases,
            usual=bases, least=bases, scale=bases, sudden=flat, away=bases, peak=bases,
            until=np.empty((0, BASES), np.int64), span=flat, low=flat, high=flat, noise=np.empty((0, 3)),
            tops=np.empty((0, VOICES, kept(self.training))), rows=ints, since=np.empty((0, JUDGES), np.int64),
            alarm=ints, changed=ints,
        )  # fmt: skip

    def step(self, state: LevelsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Judge one row of a single asset, whose channels are all series: for golden vectors and tests."""
        rows = as_rows(key)
        said = self.judge(state, 0, np.arange(state.series), rows, values)
        code = np.uint8(said.score >= self.threshold)
        return Scores(np.full(len(rows), said.score), np.full(len(rows), code, np.uint8))

    def judge(self, state: LevelsState, asset: int, members: Ints, at: Ints, values: Floats) -> Judgement:
        """Judge one row of an asset, and learn from it.

        members: int64[n], the series of all its channels, ascending. at: int64[k], those that have a reading in this
        row, ascending. values: float64[k]; what is not finite or beyond 1e150 counts as missing.
        """
        usable = np.abs(values) <= LARGEST
        if not usable.all():
            at, values = at[usable], values[usable]
        now = int(state.rows[asset])
        state.rows[asset] += 1
        limit = FAR * self.threshold / max(1.0 - self.threshold, 1e-12)
        with np.errstate(all="ignore"):
            x, level, changes = self._take(state, at, values, now)
            everyone = span(members)
            if (gone := now - state.heard[everyone] > SILENT).any():
                state.away[members[gone]] = 0.0
            still = turn(state, asset, members, limit, self.longest)
            mine = still if len(at) == len(members) else still[np.searchsorted(members, at)]
            self._follow(state, at, x, level, mine, now)
            change, parts = self._abrupt(state, asset, changes, now)
            was = bool(state.alarm[asset])
            alarm = votes(state, asset) >= (GO_ON if was else JUDGES)
            state.alarm[asset] = alarm
            far = state.away[everyone].reshape(-1, JUDGES, 2).max(axis=2, initial=0.0)
            largest = float(np.sort(far.max(axis=0, initial=0.0))[MIDDLE if alarm else 0])
            score = largest / (largest + FAR)
            return Judgement(
                max(score, self.threshold) if alarm else score, alarm, alarm and not was, was and not alarm,
                _shares(far.max(axis=1)), change, parts,
            )  # fmt: skip

    def heard(self, state: LevelsState, asset: int, members: Ints) -> int:
        """How many of an asset's channels spoke lately."""
        return int((int(state.rows[asset]) - 1 - state.heard[members] <= SILENT).sum())

    def _take(self, state: LevelsState, at: Ints, values: Floats, now: int) -> tuple[Floats, Floats, Floats]:
        """The readings from their origin, clipped (NaN for the very first), their levels [k, 6] and changes [k]."""
        key = span(at)
        seen = state.seen[key]
        early, young = seen < EARLY, seen < self.training
        x = np.where(early, values, values - state.origin[key])
        learning = young & ~early
        if learning.any():
            x[learning] = clipped(state, at[learning], x[learning])
        reach = CLIP * state.span[key]
        center = state.base[key, 2 * MIDDLE]
        x = np.where(young, x, np.minimum(np.maximum(x, center - reach), center + reach))
        state.ring[at, seen % RECENT] = x
        level, change = levels(state, at, seen + 1)
        distance = np.abs(level - state.base[key])
        state.away[key] = np.where(young[:, None], 0.0, distance / state.scale[key])
        changes = np.where(young, 0.0, change / state.sudden[key])
        if learning.any():
            residual = (x - level[:, 2 * MIDDLE])[learning]
            learn(state, at[learning], residual, np.column_stack((distance, change))[learning], self.training)
        if (seen == EARLY - 1).any():
            begin(state, at[seen == EARLY - 1])
        state.seen[key] += 1
        state.heard[key] = now
        return np.where(early, np.nan, x), level, changes

    def _follow(self, state: LevelsState, at: Ints, x: Floats, level: Floats, still: Flags, now: int) -> None:
        """Let baselines and scales of the row's channels follow, but for those that stand still."""
        key = span(at)
        base, seen = state.base[key], state.seen[key][:, None]
        resting = state.until[key] > now
        old = state.usual[key]
        distance = np.minimum(np.abs(level - base), SURPRISE * old)
        follows = ~(still | resting) & (seen > self.training)
        state.usual[key] = np.where(follows, old + (distance - old) / np.minimum(LEARNS, seen), old)
        rescale(state, key)
        slow, fast = self.memories
        memory = np.minimum(np.where(_FAST, fast / LEVELS[MIDDLE] * WINDOWS, slow), seen)
        moved = np.where(resting, level, base + (x[:, None] - base) / memory)
        state.base[key] = np.where(still | np.isnan(x)[:, None], base, moved)

    def _abrupt(self, state: LevelsState, asset: int, changes: Floats, now: int) -> tuple[float, Floats]:
        largest = float(changes.max(initial=0.0))
        if largest < ABRUPT or now - state.changed[asset] <= self.rest:
            return 0.0, np.zeros(len(changes))
        state.changed[asset] = now
        return largest / (largest + ABRUPT), _shares(changes)


def _shares(far: Floats) -> Floats:
    """How much of the sum of squares is each one's."""
    top = far.max(initial=0.0)
    if not top > 0:
        return np.zeros(len(far))
    squares = (far / top) ** 2
    out: Floats = squares / squares.sum()
    return out
