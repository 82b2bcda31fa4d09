"""What is to be trained: decided from the log alone, so that every process that looks decides the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.events import AnyEvent, DriftDetected, ModelTrained, TrainingFailed, TrainingRequested
from contracts.training import TrainingPlan
from models.drift.words import FAULTS

_BY = "trainer"
_NOT_LEARNT = frozenset({*FAULTS, "quality", "skew"})


@dataclass
class Requests:
    """Requests, what became of them, and drifts that may lead to further ones.

    requested   id -> request, in the order of the log
    done        ids of requests that ended, with a model or without one
    latest      plan -> event time up to which its newest request or model reaches
    drifts      id -> drift that no request covers yet
    """

    plans: Mapping[str, TrainingPlan]
    requested: dict[str, TrainingRequested] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    latest: dict[str, int] = field(default_factory=dict)
    drifts: dict[str, DriftDetected] = field(default_factory=dict)

    def take(self, event: AnyEvent) -> None:
        """The next event of the streams ``training`` and ``drift``; the same one twice changes nothing."""
        if isinstance(event, TrainingRequested):
            self.requested.setdefault(event.id, event)
        if isinstance(event, ModelTrained | TrainingFailed):
            self.done.add(event.request)
        if isinstance(event, TrainingRequested | ModelTrained):
            self.latest[event.plan] = max(self.latest.get(event.plan, event.time), event.time)
        if isinstance(event, DriftDetected) and any(self._concerns(event, plan) for plan in self.plans.values()):
            self.drifts[event.id] = event

    @property
    def untrained(self) -> bool:
        """Whether a plan with a schedule has no request yet: only its first one asks how far back the log goes."""
        return any(plan.every_ns and name not in self.latest for name, plan in self.plans.items())

    def open(self) -> Iterator[TrainingRequested]:
        """What is to be done now, oldest first. A drift that only proposes a training waits for somebody to ask."""
        for event in self.requested.values():
            plan = self.plans.get(event.plan)
            waits = event.reason == "drift" and (plan is None or plan.on_drift != "automatic")
            if event.id not in self.done and not waits:
                yield event

    def due(self, newest: int, oldest: int) -> Iterator[TrainingRequested]:
        """Requests that are to be written, for a log whose readings go from ``oldest`` to ``newest`` (event time, ns).

        They have the same ids whoever writes them and whenever: what is written twice is one request.
        """
        for name, plan in self.plans.items():
            yield from self._by_schedule(name, plan, newest, oldest)
            yield from self._by_drift(name, plan, newest)
        self._prune()

    def _by_schedule(self, name: str, plan: TrainingPlan, newest: int, oldest: int) -> Iterator[TrainingRequested]:
        if not plan.every_ns:
            return
        time = newest // plan.every_ns * plan.every_ns
        begin = self.latest.get(name)
        # The first one waits until there is a whole range to train on.
        if (begin is None and time - oldest >= plan.range_ns) or (begin is not None and begin < time):
            yield TrainingRequested.of(
                cause=name, time=time, asset=_BY, discriminator="schedule", plan=name, reason="schedule", by=_BY
            )

    def _by_drift(self, name: str, plan: TrainingPlan, newest: int) -> Iterator[TrainingRequested]:
        known = self.latest.get(name)
        fresh = [d for d in self.drifts.values() if self._concerns(d, plan) and (known is None or d.time > known)]
        # The first of several: what follows while it waits is in its range.
        first = min(fresh, key=lambda drift: (drift.time, drift.id), default=None)
        if first is not None and newest >= (time := first.time + plan.drift_wait_ns):
            yield TrainingRequested.of(
                cause=first.id,
                time=time,
                asset=_BY,
                discriminator=name,
                plan=name,
                reason="drift",
                by=_BY,
                finding=first.id,
            )

    def _prune(self) -> None:
        """Forget drifts that every plan they concern has trained beyond."""
        for name, drift in list(self.drifts.items()):
            plans = [key for key, plan in self.plans.items() if self._concerns(drift, plan)]
            if all(self.latest.get(key, drift.time - 1) >= drift.time for key in plans):
                del self.drifts[name]

    @staticmethod
    def _concerns(drift: DriftDetected, plan: TrainingPlan) -> bool:
        # What a sensor's fault or other code has done to readings is nothing to learn from.
        learnable = drift.kind not in _NOT_LEARNT
        return plan.on_drift != "never" and learnable and plan.covers(drift.asset, drift.channel)
