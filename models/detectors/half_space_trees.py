"""Half-space trees: how empty the region around a reading was in the last window."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from pydantic import Field

from .base import Detector, Floats, Ints, Key, Scores, State, as_rows, column


@dataclass
class TreesState(State):
    """Two counts for each leaf, 10 KB a series by default, and the ranges of the first window."""

    seen: Ints = column()
    last: Floats = column()
    low: Floats = column(np.inf)
    high: Floats = column(-np.inf)
    before: Ints = column()
    now: Ints = column()


class HalfSpaceTrees(Detector[TreesState], frozen=True, extra="forbid"):
    """Mass of a reading and its change from the one before, in trees that halve space at random places.

    The first window sets the space and the second one fills it; neither scores. The score is the mean over the trees of
    1 / (1 + m), m being the readings of the window before in the same leaf: 1 means that no tree had
    seen anything there. The places are fixed numbers, the same for every series and every run.

    Source: S. C. Tan, K. M. Ting and F. T. Liu, Fast anomaly detection for streaming data, IJCAI (2011)
    1511-1516; leaves of one depth, without the early stop.

    >>> import numpy as np
    >>> from models.detectors.base import score_batch
    >>> detector = HalfSpaceTrees()
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> values = np.sin(np.arange(600) * np.pi / 12)
    >>> values[500] = 3.0
    >>> scores = score_batch(detector, state, np.zeros(600, np.int64), np.arange(600), values)
    >>> np.flatnonzero(scores.score >= detector.threshold)
    array([500, 501])
    """

    kind: ClassVar[str] = "half_space_trees"
    reasons: ClassVar[tuple[str, ...]] = ("", "a region that was empty in the last window")

    threshold: float = Field(default=0.9, ge=0, le=1, description="scores from here on are alarms")
    window: int = Field(default=100, ge=10, description="readings whose masses are compared")
    trees: int = Field(default=10, ge=1, le=25, description="whose masses are averaged")
    depth: int = Field(default=6, ge=1, le=7, description="cuts from the root to a leaf")

    def start(self) -> TreesState:
        """State for zero series."""
        leaves, flat, pair = (0, self.trees << self.depth), np.empty(0), np.empty((0, 2))
        counts = np.empty(leaves, np.int64)
        return TreesState(
            series=0, seen=np.empty(0, np.int64), last=flat, low=pair, high=pair, before=counts, now=counts
        )

    def step(self, state: TreesState, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        rows, seen = as_rows(key), state.seen[key].copy()
        point = np.stack((values, np.where(seen > 0, values - state.last[rows], 0.0)), axis=1)
        state.last[rows], state.seen[rows] = values, seen + 1
        first = (seen < self.window)[:, None]
        low, high = state.low[rows], state.high[rows]
        state.low[rows] = np.where(first, np.minimum(low, point), low)
        state.high[rows] = np.where(first, np.maximum(high, point), high)
        turn = rows[(seen >= self.window) & (seen % self.window == 0)]
        state.before[turn], state.now[turn] = state.now[turn], 0
        span = high - low
        leaf = self._leaves(np.where(span > 0, (point - low) / span, np.where(point == low, 0.5, 9.0)))
        known = seen >= 2 * self.window
        mass = state.before[rows[:, None], leaf]
        # Adding tree by tree: the result does not depend on how many series are scored.
        empty = np.add.accumulate(1.0 / (1 + mass), axis=1)[:, -1] / self.trees
        ready = np.flatnonzero(seen >= self.window)
        state.now[rows[ready, None], leaf[ready]] += 1
        usual = 1.0 / (1 + self.window)
        score = np.where(known & (empty > usual), empty, 0.0)
        return Scores(score, (score > 0).astype(np.uint8))

    def _leaves(self, point: Floats) -> Ints:
        """int64[k, trees]: the leaf of each point [k, 2], whose range so far is 0 to 1, in each tree."""
        axis, place = _places(self.trees, self.depth)
        tree = np.arange(self.trees)
        node = np.zeros((len(point), self.trees), np.int64)
        rows = np.arange(len(point))[:, None]
        for _ in range(self.depth):
            right = point[rows, axis[tree, node]] > place[tree, node]
            node = 2 * node + 1 + right
        leaf: Ints = node - ((1 << self.depth) - 1) + (tree << self.depth)
        return leaf


@cache
def _places(trees: int, depth: int) -> tuple[Ints, Floats]:
    """Axis and place of the cut of each inner node, [trees, nodes]: middles of ranges around the data."""
    axis = np.zeros((trees, (1 << depth) - 1), np.int64)
    place = np.zeros(axis.shape)
    numbers = _numbers()
    for tree in range(trees):
        middle = np.array([next(numbers), next(numbers)])
        # A little more than the paper's 2, with which cuts fall on the ends of the range themselves,
        # where rounding would decide on which side the extremes lie.
        reach = 2.1 * np.maximum(middle, 1 - middle)
        boxes = [(middle - reach, middle + reach)]
        for node in range(axis.shape[1]):
            low, high = boxes[node]
            cut = axis[tree, node] = int(next(numbers) * 2)
            at = place[tree, node] = (low[cut] + high[cut]) / 2
            left, right = high.copy(), low.copy()
            left[cut] = right[cut] = at
            boxes += [(low, left), (right, high)]
    return axis, place


def _numbers() -> Iterator[float]:
    """Fixed numbers spread over [0, 1): Knuth's linear congruential generator (MMIX)."""
    state = 0x2545F491
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        yield (state >> 11) / (1 << 53)
