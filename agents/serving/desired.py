"""What is wanted, as the stream of deployments tells it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.events import AnyEvent, Candidate, ModelPromoted, RolloutChanged


class Served(NamedTuple):
    """Which bundles score: the champion's digest, and a candidate beside it."""

    bundle: str
    candidate: Candidate | None = None


@dataclass
class Desired:
    """Folds the deployments, in their order: the last word counts."""

    _turn: int = 0
    _promoted: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    _chosen: dict[str, tuple[int, str]] = field(default_factory=dict)
    _trials: dict[str, Candidate] = field(default_factory=dict)

    def take(self, event: AnyEvent) -> None:
        """The next event of the stream."""
        self._turn += 1
        if isinstance(event, ModelPromoted):
            self._promoted[event.name, event.alias] = self._turn, event.bundle
        elif isinstance(event, RolloutChanged):
            self._take_rollout(event)

    def _take_rollout(self, event: RolloutChanged) -> None:
        running = self._trials.get(event.agent)
        if event.state == "running":
            self._trials[event.agent] = event.candidate
        elif running is None or running.rollout != event.candidate.rollout:
            # The end of a rollout that is over already, or of another one: said twice, or too late.
            return
        else:
            del self._trials[event.agent]
            if event.state == "promoted":
                self._chosen[event.agent] = self._turn, event.candidate.bundle

    def of(self, part: str, model: str, own: str) -> Served:
        """What a part should serve: ``model`` is its NAME@ALIAS or empty, ``own`` what its configuration gives it."""
        name, _, alias = model.partition("@")
        said = [self._chosen.get(part), self._promoted.get((name, alias)) if model else None]
        bundle = max((each for each in said if each), default=(0, own))[1]
        candidate = self._trials.get(part)
        return Served(bundle, candidate if candidate and candidate.bundle != bundle else None)

    def knows(self, model: str) -> bool:
        """Whether a model's alias has ever meant a bundle."""
        name, _, alias = model.partition("@")
        return (name, alias) in self._promoted
