"""One training: three looks at a range of the log, in arrival order, by the code that serves.

    survey    what is in it, and the digest that names it
    gather    feature vectors to fit and to calibrate on
    compare   every detector on the part that none of them was fitted on

Nothing here reads a log, a clock or a file: whoever does hands over the readings, one partition after the other, the
same at every look. So the same plan and the same range give the same bundles, byte for byte.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contracts.errors import ConfigError, NotFound, Unavailable
from contracts.readings import Readings
from contracts.training import TrainingPlan

from ..bundle import Bundle, build
from ..features import FeatureSet, Identity, feature_set
from ..kinds import component
from ..manifest import Component, TrainedOn
from .choosing import best
from .comparison import Comparison
from .contender import Contender, contenders
from .fitting import fit
from .gathering import Gathering, probed
from .labels import Labels
from .rows import Numbering
from .split import CALIBRATE, FIT, Split
from .survey import Survey

#: Vectors that become the golden ones of a fitted detector.
_EXAMPLES = 256
#: Fewer readings to fit on say nothing.
_LEAST = 100

Look = Callable[[int, Readings], None]


@dataclass(frozen=True)
class Outcome:
    """One detector of a comparison."""

    label: str
    bundle: Bundle
    measures: dict[str, float]


@dataclass
class Training:
    """Call the looks one after the other, each with all readings; then ``outcomes`` and ``chosen``.

    ``name`` names the bundles; ``since`` and ``until`` are the first and last event time that count, ns.
    """

    name: str
    plan: TrainingPlan
    since: int
    until: int
    labels: Labels = field(default_factory=Labels)
    features: FeatureSet = field(default_factory=Identity)
    contenders: Sequence[Contender] = ()
    trained_on: TrainedOn | None = None
    split: Split | None = None
    _survey: Survey = field(default_factory=Survey)
    _gathering: Gathering | None = None
    _comparison: Comparison | None = None
    _numbering: Numbering | None = None

    def __post_init__(self) -> None:
        self.features = feature_set(dict(self.plan.features))
        self.contenders = contenders(self.plan)
        if isinstance(self.features, Identity) and all(each.trained for each in self.contenders):
            raise ConfigError([f"plan {self.name}: detectors that are fitted need features beyond the value itself"])

    def looks(self) -> Iterator[tuple[str, "View"]]:
        """Each look in turn, with what it is called; the readings are handed over before the next one is asked for."""
        survey = self._survey
        yield "survey", View(self._numbered, lambda _, rows, names: survey.take(rows), survey.end)
        self.trained_on = survey.trained_on()
        self.split = Split.of(self.plan, self.trained_on.since, self.trained_on.until)
        again = Survey()
        gathering = Gathering(self.plan, self.split, self.features, self.labels, probed(survey.series, self.plan))

        def gather(partition: int, rows: Any, names: dict[str, int]) -> None:
            again.take(rows)
            gathering.take(partition, rows, names)

        def gathered(partition: int, names: dict[str, int]) -> None:
            again.end(partition, names)
            gathering.end()

        yield "gather", View(self._numbered, gather, gathered)
        if again.trained_on() != self.trained_on:
            raise Unavailable("the range of the log is not what it was a moment ago: parts of it were lost")
        self._gathering = gathering
        self._fit(gathering)
        args = (self.plan, self.split, self.features, self.contenders, gathering.spreads(), self.labels)
        comparison = self._comparison = Comparison(*args)
        yield "compare", View(self._numbered, lambda _, rows, names: comparison.take(rows, names), comparison.end)

    def _numbered(self) -> Numbering:
        return Numbering(self.plan.covers, self.since, self.until)

    def _fit(self, gathering: Gathering) -> None:
        fitted = [each for each in self.contenders if each.trained]
        if not fitted:
            return
        learned, tail = gathering.of(FIT), gathering.of(CALIBRATE)
        if min(len(learned), len(tail)) < _LEAST:
            raise NotFound(
                f"{len(learned):,} vectors to fit on, {len(tail):,} to calibrate on: at least {_LEAST} are needed",
                mend="Ask for a longer range, or for features that need a shorter past.",
            )
        for each in fitted:
            fit(each, learned, tail, self.plan.alarms)

    def outcomes(self) -> list[Outcome]:
        """Every detector with its bundle and its measures, in the order of the plan, once all looks are done."""
        assert self._comparison is not None  # noqa: S101 - the looks were taken
        measures = self._comparison.measures
        return [Outcome(each.label, self._bundle(each), measures[each.label].found()) for each in self.contenders]

    def chosen(self, outcomes: Sequence[Outcome]) -> tuple[Outcome, str]:
        """The best, and why."""
        label, why = best({each.label: each.measures for each in outcomes}, self.plan.alarms)
        return next(each for each in outcomes if each.label == label), why

    def _bundle(self, contender: Contender) -> Bundle:
        assert self._comparison is not None and self._gathering is not None and self.trained_on  # noqa: S101, PT018 - as above
        references = self._gathering.references.arrays()
        if not contender.trained:
            warm = self._comparison.warm[contender.label].arrays()
            none = Component(kind="none")
            return build(
                self.name, contender.detector, postprocessor=none, arrays=warm | references, training=self.trained_on
            )
        return build(
            self.name,
            contender.detector,
            postprocessor=component(contender.postprocessor),
            features=self.features,
            arrays=dict(contender.arrays) | references,
            training=self.trained_on,
            examples=np.ascontiguousarray(self._gathering.of(CALIBRATE)[:_EXAMPLES]),
        )

    def facts(self) -> dict[str, str]:
        """What was read and how it was parted, for whoever wants to know: name -> value."""
        assert self._gathering is not None and self.split is not None and self.trained_on  # noqa: S101, PT018 - as above
        gathering, split = self._gathering, self.split
        return {
            "range_digest": self.trained_on.digest,
            "readings": str(self.trained_on.readings),
            "series_read": str(len(self._survey.series)),
            "since_ns": str(split.since),
            "calibrate_from_ns": str(split.calibrate_from),
            "compare_from_ns": str(split.compare_from),
            "until_ns": str(split.until),
            "vectors_to_fit": str(gathering.offered(FIT)),
            "vectors_to_calibrate": str(gathering.offered(CALIBRATE)),
            "vectors_unusable": str(gathering.unusable),
            "series_with_faults": str(len(gathering.spreads())),
        }


@dataclass
class View:
    """One look at the readings: partitions one after the other, ``end`` after each."""

    numbering: Callable[[], Numbering]
    rows: Callable[[int, Any, dict[str, int]], None]
    done: Callable[[int, dict[str, int]], None]
    _own: Numbering | None = None

    def take(self, partition: int, readings: Readings) -> None:
        """The next readings of a partition, in the order of the log."""
        self._own = self._own or self.numbering()
        rows = self._own.take(readings)
        if len(rows):
            self.rows(partition, rows, self._own.numbers)

    def end(self, partition: int) -> None:
        """All readings of the partition were handed over."""
        if self._own is not None:
            self.done(partition, self._own.numbers)
        self._own = None
