"""What the log says of models: what was published, what is meant to serve, what came of it, bundle by bundle."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.rollout.record import Record
from agents.serving.desired import Desired
from contracts.events import (
    AlertLabelled,
    AnyEvent,
    DriftDetected,
    ModelLoaded,
    ModelMeasured,
    ModelPromoted,
    ModelPublished,
    ModelRefused,
    ModelTrained,
    PrecisionFell,
    RolloutChanged,
    ScoresDrifted,
    TrainingFailed,
    TrainingRequested,
)

#: Read from the beginning of the log.
KINDS = (
    *(ModelPublished, ModelLoaded, ModelRefused, ModelPromoted, RolloutChanged, AlertLabelled, PrecisionFell),
    *(TrainingRequested, ModelTrained, TrainingFailed),
)
#: Of these only the latest: there is one per thousand readings.
COUNTED = (ModelMeasured, ScoresDrifted, DriftDetected)
_REFUSALS, _DRIFTS = 100, 1_000

Drift = DriftDetected | ScoresDrifted | PrecisionFell
Training = TrainingRequested | ModelTrained | TrainingFailed


@dataclass(frozen=True)
class Made:
    """A version: its bundle, the run that published it (empty: not told), and since when the log knows it, in ns.

    Whoever told of it had read it back from the registry: nothing else is told.
    """

    bundle: str
    run_id: str
    time: int


@dataclass
class Deployments:
    """Takes events in as they come.

    made       name -> version -> what was told of it first
    moves      every alias that was moved, in order
    loaded     (agent, bundle) -> when it was loaded last
    measured   (agent, partition) -> role -> the last stretch of readings that was counted
    """

    made: dict[str, dict[str, Made]] = field(default_factory=dict)
    moves: list[ModelPromoted] = field(default_factory=list)
    loaded: dict[tuple[str, str], ModelLoaded] = field(default_factory=dict)
    refused: list[ModelRefused] = field(default_factory=list)
    measured: dict[tuple[str, str], dict[int, ModelMeasured]] = field(default_factory=dict)
    drifts: dict[str, list[Drift]] = field(default_factory=dict)
    trained: dict[str, ModelTrained] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)
    rollouts: Record = field(default_factory=Record)
    desired: Desired = field(default_factory=Desired)

    def learn(self, events: Iterable[AnyEvent]) -> None:
        """Take in events; those of one partition in their order."""
        told = list(events)
        self.rollouts.learn(told)
        for event in told:
            self.desired.take(event)
            self._take(event)

    def count(self, partition: int, events: Iterable[AnyEvent]) -> None:
        """Take in what was counted in a partition."""
        told = list(events)
        self.rollouts.learn(told)
        for event in told:
            if isinstance(event, ModelMeasured):
                self.measured.setdefault((event.agent, event.role), {})[partition] = event
            elif isinstance(event, DriftDetected | ScoresDrifted):
                self._drifted(event)

    def bundle_of(self, name: str, version: str) -> str:
        """The digest of a version; empty where nobody told of it."""
        made = self.made.get(name, {}).get(version)
        return made.bundle if made else ""

    def named(self, bundle: str) -> tuple[str, str]:
        """Name and version of a bundle; empty where it has none."""
        for name, versions in self.made.items():
            for version, made in versions.items():
                if made.bundle == bundle:
                    return name, version
        return "", ""

    def aliases(self, name: str) -> dict[str, str]:
        """Alias -> version, as it was moved last."""
        return {move.alias: move.model_version for move in self.moves if move.name == name}

    def names(self) -> list[str]:
        """All models that were ever told of."""
        return sorted(self.made)

    def versions(self, name: str) -> list[str]:
        """The versions of a model, the latest first."""
        return sorted(self.made.get(name, {}), key=lambda text: (len(text), text), reverse=True)

    def _take(self, event: AnyEvent) -> None:
        match event:
            case ModelPublished():
                self._told(event, event.run_id, event.time)
            case ModelPromoted():
                self.moves.append(event)
                self._told(event, "", event.time)
            case ModelLoaded():
                self.loaded[event.agent, event.bundle] = event
            case ModelRefused():
                self.refused = [*self.refused, event][-_REFUSALS:]
            case PrecisionFell():
                self._drifted(event)
            case ModelTrained() | TrainingFailed() | TrainingRequested():
                self.trainings.append(event)
                if isinstance(event, ModelTrained):
                    self.trained[event.bundle] = event
                    # Its own time is that of the readings.
                    self._told(event, event.run_id, 0)

    def _told(self, event: ModelPublished | ModelPromoted | ModelTrained, run_id: str, time: int) -> None:
        versions = self.made.setdefault(event.name, {})
        known = versions.get(event.model_version)
        if known is not None:
            # It is told again when a coordinator finds it published, or an alias is moved to it.
            run_id, time = known.run_id or run_id, min(filter(None, (known.time, time)), default=0)
        versions[event.model_version] = Made(event.bundle, run_id, time)

    def _drifted(self, event: Drift) -> None:
        if event.bundle:
            self.drifts[event.bundle] = [*self.drifts.get(event.bundle, []), event][-_DRIFTS:]
