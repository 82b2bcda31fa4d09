"""A bundle with what it remembers, and the counts of what it does."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from contracts.events import ModelMeasured, ReadingsAccepted
from contracts.identity import digest

from ..numbering import Ints
from .scorer import Scorer
from .stretch import Scored, Stretch, Waiting

#: A bundle is measured over so many readings of a partition.
EVERY = 1_000
#: Scores are counted in so many equal bins from 0 to 1.
BINS = 20


@dataclass
class Tally:
    """What a bundle did since it was last told: event times of the first and last reading, and counts."""

    readings: int = 0
    alerts: int = 0
    since: int = 0
    until: int = 0
    scores: Ints = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add(self, scored: Scored, at: slice, alerts: int) -> None:
        """Count some of the readings."""
        times, scores = scored.stretch.readings.time[at], scored.score[at]
        if not len(times):
            return
        if not self.readings:
            self.since = int(times[0])
        self.readings, self.alerts, self.until = self.readings + len(times), self.alerts + alerts, int(times[-1])
        bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
        self.scores = self.scores + np.bincount(bins, minlength=BINS)


@dataclass
class Slot:
    """A bundle at work on a partition.

    memory    the detector's own state, or that of the reducer of its features
    waiting   readings that it was given and has not scored yet
    served    whether the log said so; otherwise the configuration does
    """

    bundle: str
    memory: Any
    waiting: Waiting = field(default_factory=Waiting)
    tally: Tally = field(default_factory=Tally)
    served: bool = False

    @classmethod
    def fresh(cls, scorer: Scorer) -> "Slot":
        """A slot as a bundle begins."""
        return cls(scorer.digest, scorer.start())

    def score(self, scorer: Scorer, stretch: Stretch, names: dict[str, int]) -> Scored:
        """Take readings in, and give those that are scored by now."""
        return scorer.score(self.memory, self.waiting, stretch, names)


@dataclass(frozen=True)
class Measuring:
    """What a slot is counted as."""

    agent: str
    role: Literal["champion", "candidate"]
    rollout: str

    def count(self, slot: Slot, scored: Scored, alerts: Ints) -> Iterator[tuple[int, ModelMeasured]]:
        """Count readings, and tell of each full stretch of them, with the place of its last reading.

        ``alerts``: places of readings that raised one, sorted.
        """
        done = 0
        while len(scored) - done >= (missing := EVERY - slot.tally.readings):
            end = done + missing
            self._add(slot, scored, done, end, alerts)
            cause = ReadingsAccepted.row_id(scored.stretch.readings.id_of(end - 1))
            yield end - 1, self._told(slot, cause)
            done = end
        self._add(slot, scored, done, len(scored), alerts)

    @staticmethod
    def _add(slot: Slot, scored: Scored, begin: int, end: int, alerts: Ints) -> None:
        slot.tally.add(scored, slice(begin, end), int(np.count_nonzero((alerts >= begin) & (alerts < end))))

    def rest(self, slot: Slot, cause: str) -> Iterator[ModelMeasured]:
        """What was counted so far, if anything was."""
        if slot.tally.readings:
            yield self._told(slot, cause)

    def _told(self, slot: Slot, cause: str) -> ModelMeasured:
        tally, slot.tally = slot.tally, Tally()
        return ModelMeasured.of(
            cause=cause,
            time=tally.until,
            asset=self.agent,
            discriminator=f"{self.role} {slot.bundle} {self.rollout}",
            agent=self.agent,
            bundle=slot.bundle,
            role=self.role,
            rollout=self.rollout,
            since=tally.since,
            readings=tally.readings,
            alerts=tally.alerts,
            scores=tuple(tally.scores.tolist()),
        )


def decides(rollout: str, share: float, asset: str) -> bool:
    """Whether the candidate of a rollout decides for an asset: for the same ones always, and everywhere.

    A larger share of the same rollout has all assets of a smaller one.
    """
    return int(digest("rollout", rollout, asset)[:12], 16) * 100 < share * 16**12
