"""Levels of all channels of an asset against slow baselines that stand still while they are left."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from ..detectors.base import LARGEST, Detector, Flags, Floats, Ints, Key, Scores, State, as_rows, column
from .training import CHANGE, EARLY, LEVEL, RECENT, VOICES, begin, clipped, kept, learn, means

FAR = 4.0  # scales from the baseline, or between neighbouring means: a score of 0.5
SILENT = 60  # rows of its asset after which a channel that said nothing is left out
CLIP = 5.0  # ranges of the training beyond the baseline: further away is as good as there
LEADS = 0.5  # of the largest peak: channels that an alarm is about
BACK = 0.3  # of the threshold
RELAPSE = 0.1  # of the peak


@dataclass
class LevelsState(State):
    """A row per series; those of assets are indexed by the asset's own number, which is never larger.

    origin   middle of the first values: all others are counted from it
    seen     readings so far
    heard    row of the asset at the last one
    ring     last readings
    base     baselines, slow and fast
    scale    of the two distances from them, and of changes; infinite before the end of the training
    away     distances at the last reading, over their scale
    peak     largest of them in this alarm
    span     range of the training
    low, high, noise, tops   of the training: range; count, mean and squares of residuals; largest distances
    rows     rows of an asset so far
    since    row in which its alarm began, -1 when there is none
    changed  row of its last change
    """

    origin: Floats = column()
    seen: Ints = column()
    heard: Ints = column()
    ring: Floats = column()
    base: Floats = column()
    scale: Floats = column(np.inf)
    away: Floats = column()
    peak: Floats = column()
    span: Floats = column()
    low: Floats = column()
    high: Floats = column()
    noise: Floats = column()
    tops: Floats = column()
    rows: Ints = column()
    since: Ints = column(-1)
    changed: Ints = column(-(2**40))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one row of an asset.

    score    how far the farthest channel is away, in [0, 1]
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

    The level is the mean of 10 readings. It is compared with two baselines, exponential means over about 1,000 and 50
    readings: the slow one sees what stays away, the fast one what moves within an otherwise wandering channel. The
    scale of each comparison is what nine in ten of the training's readings did not exceed (its first three eighths are
    for settling), at least the noise of the level. A channel that wandered further than its noise explains is believed
    less: its scale grows with the ratio to the power 1.5.

    The score is z / (z + 4) of the largest distance z: 0.5 is 4 scales. An alarm begins there. Baselines of the
    channels that lead it (whose peak is at least half of the largest) stand still from then on, so that a fault does
    not become the normal; the others go on following. It ends when all leading ones are back. One that lasts
    ``longest`` rows is taken for the new normal.

    Changes are told beside it: the mean of 20 readings against that of the 20 before, over its scale in training.

    Readings that are absurdly far away are clipped, but for those of a channel that has never varied. A channel that
    was constant in training says nothing. One that is missing in some rows keeps its last distance for 60 rows. Times
    only order the rows.

    Source: own; docs/decisions/0018-multivariate-detector.md says what was tried.

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
    reasons: ClassVar[tuple[str, ...]] = ("", "away from its usual level")

    training: int = Field(default=400, ge=100, le=100_000, description="readings of a channel; they should be clean")
    memories: tuple[float, float] = Field(default=(1000.0, 50.0), description="readings that baselines go back")
    rest: int = Field(default=30, ge=0, description="rows after a change in which no other is told")
    longest: int = Field(default=2_000, ge=100, description="rows; a longer alarm is the new normal")

    def start(self) -> LevelsState:
        """State for zero series."""
        flat, ints, pair = np.empty(0), np.empty(0, np.int64), np.empty((0, 2))
        return LevelsState(
            series=0, origin=flat, seen=ints, heard=ints, ring=np.empty((0, RECENT)), base=pair, away=pair, peak=pair,
            scale=np.empty((0, VOICES)), span=flat, low=flat, high=flat, noise=np.empty((0, 3)),
            tops=np.empty((0, VOICES, kept(self.training))), rows=ints, since=ints, changed=ints,
        )  # fmt: skip

    def step(self, state: LevelsState, key: Key, times: Ints, values: Floats) -> Scores:
        """Judge one row of a single asset, whose channels are all series: for golden vectors and tests."""
        rows = as_rows(key)
        said = self.judge(state, 0, np.arange(state.series), rows, values)
        code = np.uint8(said.score >= self.threshold)
        return Scores(np.full(len(rows), said.score), np.full(len(rows), code, np.uint8))

    def judge(self, state: LevelsState, asset: int, members: Ints, at: Ints, values: Floats) -> Judgement:
        """Judge one row of an asset, and learn from it.

        members: int64[n], the series of all its channels. at: int64[k], those that have a reading in this row.
        values: float64[k]; what is not finite or beyond 1e150 counts as missing.
        """
        usable = np.abs(values) <= LARGEST
        if not usable.all():
            at, values = at[usable], values[usable]
        now = int(state.rows[asset])
        state.rows[asset] += 1
        with np.errstate(all="ignore"):
            x, changes = self._take(state, at, values, now)
            state.away[members[now - state.heard[members] > SILENT]] = 0.0
            far = state.away[members]
            began, ended = self._turn(state, asset, members, now)
            self._follow(state, asset, members, at, x)
            change, parts = self._abrupt(state, asset, changes, now)
            largest = float(far.max(initial=0.0))
            return Judgement(
                largest / (largest + FAR), bool(state.since[asset] >= 0), began, ended,
                _shares(far.max(axis=1, initial=0.0)), change, parts,
            )  # fmt: skip

    def heard(self, state: LevelsState, asset: int, members: Ints) -> int:
        """How many of an asset's channels spoke lately."""
        return int((int(state.rows[asset]) - 1 - state.heard[members] <= SILENT).sum())

    def _take(self, state: LevelsState, at: Ints, values: Floats, now: int) -> tuple[Floats, Floats]:
        """The readings from their origin, clipped (NaN for the very first), and the changes of their channels."""
        seen = state.seen[at]
        early, young = seen < EARLY, seen < self.training
        x = np.where(early, values, values - state.origin[at])
        learning = young & ~early
        if learning.any():
            x[learning] = clipped(state, at[learning], x[learning])
        reach = CLIP * state.span[at]
        center = state.base[at, 0]
        x = np.where(young, x, np.minimum(np.maximum(x, center - reach), center + reach))
        state.ring[at, seen % RECENT] = x
        raw = np.empty((len(at), VOICES))
        raw[:, :2] = np.abs(means(state, at, seen + 1, LEVEL)[:, None] - state.base[at])
        raw[:, 2] = np.abs(means(state, at, seen + 1, CHANGE) - means(state, at, seen + 1, CHANGE, ago=CHANGE))
        state.away[at] = np.where(young[:, None], 0.0, raw[:, :2] / state.scale[at, :2])
        changes = np.where(young, 0.0, raw[:, 2] / state.scale[at, 2])
        if learning.any():
            learn(state, at[learning], x[learning], raw[learning], self.training)
        if (seen == EARLY - 1).any():
            begin(state, at[seen == EARLY - 1])
        state.seen[at] += 1
        state.heard[at] = now
        return np.where(early, np.nan, x), changes

    def _turn(self, state: LevelsState, asset: int, members: Ints, now: int) -> tuple[bool, bool]:
        """Whether an alarm begins or ends with this row."""
        far = state.away[members]
        limit = FAR * self.threshold / max(1.0 - self.threshold, 1e-12)
        if state.since[asset] < 0:
            began = bool((far >= limit).any())
            if began:
                state.since[asset] = now
                state.peak[members] = far
            return began, False
        peak = np.where(far > 0, np.maximum(state.peak[members], far), 0.0)
        state.peak[members] = peak
        back = far < np.maximum(BACK * limit, RELAPSE * peak)
        normal = now - state.since[asset] >= self.longest
        if normal:
            heard = members[state.seen[members] >= EARLY]
            state.base[heard] = means(state, heard, state.seen[heard], LEVEL)[:, None]
        if normal or bool((back | ~_leading(peak, peak)).all()):
            state.since[asset] = -1
            return False, True
        return False, False

    def _follow(self, state: LevelsState, asset: int, members: Ints, at: Ints, x: Floats) -> None:
        """Let the baselines of the row's channels follow, but for those that lead an alarm."""
        memory = np.minimum(np.array(self.memories), state.seen[at][:, None])
        moved = state.base[at] + (x[:, None] - state.base[at]) / memory
        if state.since[asset] >= 0:
            moved = np.where(_leading(state.peak[at], state.peak[members]), state.base[at], moved)
        state.base[at] = np.where(np.isnan(x)[:, None], state.base[at], moved)

    def _abrupt(self, state: LevelsState, asset: int, changes: Floats, now: int) -> tuple[float, Floats]:
        largest = float(changes.max(initial=0.0))
        if largest < FAR or now - state.changed[asset] <= self.rest:
            return 0.0, np.zeros(len(changes))
        state.changed[asset] = now
        return largest / (largest + FAR), _shares(changes)


def _leading(peak: Floats, among: Floats) -> Flags:
    """Which peaks are an alarm's own: at least half of the largest among those of its asset."""
    out: Flags = (peak >= LEADS * among.max(initial=0.0)) & (peak > 0)
    return out


def _shares(far: Floats) -> Floats:
    """How much of the sum of squares is each one's."""
    top = far.max(initial=0.0)
    if not top > 0:
        return np.zeros(len(far))
    squares = (far / top) ** 2
    out: Floats = squares / squares.sum()
    return out
