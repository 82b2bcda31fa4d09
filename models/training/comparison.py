"""The third look at a range: every contender over the same readings, with and without planted faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.training import TrainingPlan

from ..features import FeatureSet
from .contender import Contender
from .faults import Planting, Schedule
from .labels import Hits, Labels
from .measures import Measures
from .pipeline import Pipeline, Scored
from .rows import Floats, Ints, Rows
from .split import COMPARE, Split
from .warm import Warm


@dataclass
class _Probe:
    """The series with planted faults of one partition: a second pipeline, in which they have numbers of their own."""

    pipeline: Pipeline
    planting: Planting
    numbers: dict[int, int] = field(default_factory=dict)
    kinds: dict[int, int] = field(default_factory=dict)


@dataclass
class Comparison:
    """Goes over the rows of one partition after the other. Only readings of the third part of the range count."""

    plan: TrainingPlan
    split: Split
    features: FeatureSet
    contenders: Sequence[Contender]
    spreads: Mapping[str, float]
    labels: Labels
    measures: dict[str, Measures] = field(default_factory=dict)
    warm: dict[str, Warm] = field(default_factory=dict)
    _clean: Pipeline | None = None
    _probe: _Probe | None = None

    def __post_init__(self) -> None:
        known = self.labels.held_out(self.split).series
        for each in self.contenders:
            hits = {name: Hits(stretches) for name, stretches in known.items()}
            self.measures[each.label] = Measures(each.threshold, hits=hits)
            if not each.trained:
                self.warm[each.label] = Warm(each.detector, self.plan.warm)

    def take(self, rows: Rows, names: Mapping[str, int]) -> None:
        """The next rows of a partition, of which ``names`` are the series so far."""
        if self._clean is None or self._probe is None:
            self._clean = Pipeline(self.features, self.contenders, self.split)
            planting = Planting(self.plan.seed, {}, {}, {})
            self._probe = _Probe(Pipeline(self.features, self.contenders, self.split), planting)
        shown = {number: name for name, number in names.items()}
        clean = self._clean.take(rows, len(names))
        for label, scored in clean.items():
            self._count(self.measures[label], scored, shown)
        self._planted(self._probe, rows, clean, shown)

    def end(self, partition: int, names: Mapping[str, int]) -> None:
        """The partition is done; what streaming detectors know of its series by now is kept."""
        if self._clean is not None:
            for label, warm in self.warm.items():
                warm.add(list(names), self._clean.states[label])
        self._clean = self._probe = None

    def _count(self, measures: Measures, scored: Scored, shown: Mapping[int, str]) -> None:
        late = self.split.parts(scored.rows.times) == COMPARE
        rows, scores = scored.rows.at(np.flatnonzero(late)), scored.scores[late]
        measures.take_normal(scores[~self.labels.faulty(rows, shown)])
        for row in np.unique(rows.rows).tolist() if measures.hits else ():
            if shown[row] in measures.hits:
                at = rows.rows == row
                measures.hits[shown[row]].take(rows.times[at], scores[at] >= measures.threshold)

    def _planted(self, probe: _Probe, rows: Rows, clean: Mapping[str, Scored], shown: Mapping[int, str]) -> None:
        for row in np.unique(rows.rows).tolist():
            if shown[row] in self.spreads and row not in probe.numbers:
                number = probe.numbers[row] = len(probe.numbers)
                planting = probe.planting
                planting.names[number], planting.spreads[number] = shown[row], self.spreads[shown[row]]
                planting.schedules[number] = Schedule.of(shown[row], self.split, self.plan.seed)
        chosen, own = _renumbered(rows, probe.numbers)
        if not len(chosen):
            return
        values, kinds = probe.planting.plant(own)
        struck = kinds >= 0
        probe.kinds.update(zip(own.ordinals[struck].tolist(), kinds[struck].tolist(), strict=True))
        found = probe.pipeline.take(Rows(own.rows, own.times, values, own.ordinals), len(probe.numbers))
        struck_at = frozenset(probe.kinds)
        for label, scored in found.items():
            before = _in_order(clean[label], scored.rows.ordinals)
            ordinals = scored.rows.ordinals.tolist()
            at = np.array([place for place, each in enumerate(ordinals) if each in struck_at], np.intp)
            if len(at):
                of = [probe.planting.names[number] for number in scored.rows.rows[at].tolist()]
                these = np.array([probe.kinds[ordinals[place]] for place in at.tolist()])
                self.measures[label].take_planted(of, these, scored.scores[at], before[at])


def _in_order(clean: Scored, ordinals: Ints) -> Floats:
    """The scores of these readings: readings of one time may be released in another order once they are changed."""
    order = np.argsort(clean.rows.ordinals)
    return clean.scores[order[np.searchsorted(clean.rows.ordinals, ordinals, sorter=order)]]


def _renumbered(rows: Rows, numbers: Mapping[int, int]) -> tuple[Ints, Rows]:
    """Where the rows of some series are, and these rows with the series' other numbers."""
    table = np.full(max([*numbers, *rows.rows.tolist()], default=0) + 1, -1, np.int64)
    table[list(numbers)] = list(numbers.values())
    at = np.flatnonzero(table[rows.rows] >= 0)
    own = rows.at(at)
    return at, Rows(table[own.rows], own.times, own.values, own.ordinals)
