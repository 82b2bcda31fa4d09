"""What the anomaly agent remembers: a slot for each bundle at work, and of each series what outlives them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.order import order_of

from ..numbering import Ints, grown
from ..serving.slots import Slot

#: Readings in a block; the evidence of an alert is its block up to the alert, and the block before.
BLOCK = 64


def _ints() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Episodes:
    """The anomalies of series, one row each.

    open      whether one is reported and not cleared
    quiet     readings since the last one that was over the threshold, while open
    ids       row -> [id, time] of the open one
    """

    open: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    quiet: Ints = field(default_factory=_ints)
    ids: dict[int, list[Any]] = field(default_factory=dict)

    def make_room(self, n: int) -> None:
        """Rows for series 0 .. n-1."""
        if len(self.open) < n:
            for name in ("open", "quiet"):
                setattr(self, name, grown(getattr(self, name), n))


@dataclass
class Trial:
    """A candidate at work beside the champion; ``found`` are the anomalies that it would have told as a shadow."""

    slot: Slot
    mode: str
    share: float
    rollout: str
    found: Episodes = field(default_factory=Episodes)


@dataclass
class AnomalyState:
    """What belongs to bundles, and beside it what goes on when they change: one row per series.

    seen      readings so far
    block     ordinal of the first reading of the current block
    before    ordinal of the first reading of the block before
    told      anomalies that were reported
    """

    champion: Slot
    names: dict[str, int] = field(default_factory=dict)
    seen: Ints = field(default_factory=_ints)
    block: Ints = field(default_factory=_ints)
    before: Ints = field(default_factory=_ints)
    told: Episodes = field(default_factory=Episodes)
    candidate: Trial | None = None

    def make_room(self) -> None:
        """A row for every series that has a number."""
        if len(self.seen) < len(self.names):
            for name in ("seen", "block", "before"):
                setattr(self, name, grown(getattr(self, name), len(self.names)))

    def count(self, rows: Ints, nth: Ints, ordinals: Ints) -> Ints:
        """Count the readings of a batch, and return where the evidence of each begins, int64[n]."""
        number = self.seen[rows] + nth
        opens = number % BLOCK == 0
        begins = np.where(number >= BLOCK, self.before[rows], self.block[rows])
        if opens.any():
            begins = self._cross_blocks(rows, number, ordinals, opens)
        np.add.at(self.seen, rows, 1)
        return begins

    def _cross_blocks(self, rows: Ints, number: Ints, ordinals: Ints, opens: NDArray[np.bool_]) -> Ints:
        """As ``count`` for a batch in which some series begin blocks."""
        order = order_of(rows)
        ordered, opened = rows[order], opens[order]
        start = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        series = ordered[start]
        each = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(rows))))
        # The marks of one series after those of the other: where its two blocks began, then where new ones begin.
        so_far = np.cumsum(opened)
        base = 2 * np.arange(len(start)) + so_far[start] - opened[start]
        end = np.append(base[1:], 2 * len(start) + so_far[-1])
        marks = np.empty(end[-1], np.int64)
        marks[base], marks[base + 1] = self.before[series], self.block[series]
        marks[2 * each[opened] + 1 + so_far[opened]] = ordinals[order[opened]]
        begins = np.empty(len(rows), np.int64)
        begins[order] = marks[2 * each + so_far + (number[order] < BLOCK)]
        self.before[series], self.block[series] = marks[end - 2], marks[end - 1]
        return begins
