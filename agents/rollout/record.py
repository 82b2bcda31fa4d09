"""What the log says of rollouts: which ones there were, and what each bundle did while they ran."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from contracts.events import AlertLabelled, AnyEvent, ModelLoaded, ModelMeasured, RolloutChanged

from ..numbering import Ints

#: What ``Record.learn`` takes in.
KINDS = (RolloutChanged, ModelMeasured, AlertLabelled, ModelLoaded)


def _empty() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Tally:
    """Counts of one bundle in one rollout, over all partitions; ``scores`` are readings by score, in equal bins."""

    bundle: str = ""
    readings: int = 0
    alerts: int = 0
    scores: Ints = field(default_factory=_empty)

    def add(self, measured: ModelMeasured) -> None:
        """Count a stretch."""
        self.bundle = measured.bundle
        self.readings += measured.readings
        self.alerts += measured.alerts
        bins = np.asarray(measured.scores, np.int64)
        if len(bins) == len(self.scores):
            self.scores = self.scores + bins
        else:
            # Measured by a version with other bins: only the newer ones can be compared.
            self.scores = bins

    @property
    def rate(self) -> float:
        """Alerts per reading."""
        return self.alerts / self.readings if self.readings else 0.0


@dataclass
class Labels:
    """What people said of the alerts of a bundle: alert -> verdict; the last word on each counts."""

    verdicts: dict[str, bool] = field(default_factory=dict)

    @property
    def true(self) -> int:
        """Alerts that were right."""
        return sum(self.verdicts.values())

    @property
    def count(self) -> int:
        """Alerts that were labelled."""
        return len(self.verdicts)

    @property
    def precision(self) -> float | None:
        """Share of alerts that were right; None where none is labelled."""
        return self.true / self.count if self.count else None


@dataclass
class Rollout:
    """One rollout: how it began, its last change, and the counts of both sides."""

    begun: RolloutChanged
    last: RolloutChanged
    champion: Tally = field(default_factory=Tally)
    candidate: Tally = field(default_factory=Tally)

    @property
    def id(self) -> str:
        return self.begun.candidate.rollout

    @property
    def running(self) -> bool:
        return self.last.state == "running"


@dataclass
class Record:
    """All rollouts by id, labels by bundle, and how long each bundle took for its golden vectors when loaded, in ms."""

    rollouts: dict[str, Rollout] = field(default_factory=dict)
    labels: dict[str, Labels] = field(default_factory=dict)
    golden_ms: dict[str, float] = field(default_factory=dict)
    _early: dict[str, list[ModelMeasured]] = field(default_factory=dict)

    def learn(self, events: Iterable[AnyEvent]) -> None:
        """Take in events; those of different partitions in any order."""
        for event in events:
            if isinstance(event, RolloutChanged):
                self._change(event)
            elif isinstance(event, ModelMeasured) and event.rollout:
                self._measure(event)
            elif isinstance(event, AlertLabelled):
                labels = self.labels.setdefault(event.bundle, Labels())
                labels.verdicts[event.alert] = event.verdict == "true alarm"
            elif isinstance(event, ModelLoaded) and event.golden_ms:
                # The quickest of several: the others were held up by something else.
                known = self.golden_ms.get(event.bundle, event.golden_ms)
                self.golden_ms[event.bundle] = min(known, event.golden_ms)

    def running(self, agent: str) -> Rollout | None:
        """The rollout that runs on an agent."""
        return next((each for each in self.rollouts.values() if each.running and each.begun.agent == agent), None)

    def _change(self, event: RolloutChanged) -> None:
        name = event.candidate.rollout
        known = self.rollouts.get(name)
        if known is None:
            known = self.rollouts[name] = Rollout(event, event)
            for measured in self._early.pop(name, []):
                self._measure(measured)
        elif known.running:
            # The first end of a rollout is its end.
            known.last = event

    def _measure(self, event: ModelMeasured) -> None:
        rollout = self.rollouts.get(event.rollout)
        if rollout is None:
            self._early.setdefault(event.rollout, []).append(event)
            return
        (rollout.candidate if event.role == "candidate" else rollout.champion).add(event)
