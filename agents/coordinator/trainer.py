"""Trains what is asked for: by somebody, by the clock of the readings, or by drift."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import Field, PrivateAttr

from bus.protocol import Place, Recorded
from bus.scan import scan
from contracts.errors import Unavailable
from contracts.events import DriftDetected, Event, ModelTrained, TrainingFailed, TrainingRequested
from contracts.identity import home_of
from contracts.instants import iso
from contracts.training import TrainingSettings

from ..clock import Clock
from ..parts import Chore, Context, Log, Program
from .trainerchild import Child, Failed
from .trainerrequests import Requests
from .trainerspan import newest, oldest

log = structlog.get_logger()


class Trainer(Chore):
    """One training at a time, each request once: what the stream ``training`` says is done is done.

    A training that was interrupted is begun again; it gives the same bundle, and finds its own run in MLflow. When
    MLflow or the log is down it is tried again; any other failure ends the request.
    """

    training: TrainingSettings = Field(default_factory=TrainingSettings)

    _program: Program | None = PrivateAttr(default=None)
    _folder: Path = PrivateAttr(default=Path())
    _clock: Clock = PrivateAttr(default_factory=Clock)
    _requests: Requests = PrivateAttr()
    _read: dict[Place, int] = PrivateAttr(default_factory=dict)
    _child: Child | None = PrivateAttr(default=None)
    _told: dict[str, Event] = PrivateAttr(default_factory=dict)

    def prepare(self, context: Context) -> None:
        """Begin with nothing known; the log is read at the first look."""
        self._program, self._folder = context.program, context.data_dir / "training"
        self._requests, self._read = Requests(self.training.plans), {}

    async def tend(self, log: Log) -> Sequence[Event]:
        """Begin what is due, look after what is under way, and tell what has ended."""
        await self._follow(log.recorded)
        if self._child is not None:
            return self._ended(self._child)
        if due := await self._due(log.recorded):
            return due
        for request in self._requests.open():
            if request.id in self._told:
                return [self._told[request.id]]
            return self._begin(request)
        return ()

    async def _due(self, recorded: Recorded) -> list[TrainingRequested]:
        """What schedule and drifts ask for by now."""
        if not any(plan.every_ns or plan.on_drift != "never" for plan in self.training.plans.values()):
            return []
        last = await newest(recorded)
        # Where the log begins may be in an archive: it is only looked up for a plan that never trained.
        first = await oldest(recorded) if self._requests.untrained else last
        return [] if first is None or last is None else list(self._requests.due(last, first))

    async def _follow(self, recorded: Recorded) -> None:
        """Read on in what asks for trainings and what tells of them."""
        places = [Place(TrainingRequested.stream, home_of(TrainingRequested.stream, recorded.partitions))]
        if any(plan.on_drift != "never" for plan in self.training.plans.values()):
            places += [Place(DriftDetected.stream, number) for number in range(recorded.partitions)]
        for place in places:
            async for found in scan(recorded, place, self._read.get(place, 0) + 1):
                for event in found.events:
                    self._requests.take(event)
                self._read[place] = found.entry.last

    def _begin(self, request: TrainingRequested) -> Sequence[Event]:
        if request.plan not in self.training.plans:
            return [self._failed(request, 0.0, f"no training plan {request.plan!r} is configured")]
        if self._program is None:
            raise Unavailable("trainings run in a process of their own, and none can be started here")
        arguments = ["train", request.plan, "--request-id", request.id, "--to", iso(request.time), "--json"]
        self._child = Child.start(
            self._program,
            arguments,
            self._folder,
            self.training,
            name=request.id,
            now_s=self._clock.monotonic_s(),
        )
        log.info("training begins", plan=request.plan, request=request.id, reason=request.reason)
        return ()

    def _ended(self, child: Child) -> Sequence[Event]:
        """What became of it; nothing while it goes on."""
        seconds = self._clock.monotonic_s() - child.begun_s
        request = self._requests.requested[child.request]
        if child.running and seconds <= self.training.limit_s:
            return ()
        self._child = None
        try:
            if child.running:
                child.kill()
                raise Failed(f"not done after {self.training.limit_s:g} s, the limit")
            event: Event = self._trained(request, child.result())
        except Failed as error:
            event = self._failed(request, seconds, str(error))
        finally:
            child.clean()
        log.info("training ended", plan=request.plan, request=request.id, told=event.type_name())
        # Another process may have been faster; and what is told may not arrive.
        self._told[request.id] = event
        return [] if request.id in self._requests.done else [event]

    @staticmethod
    def _trained(request: TrainingRequested, tree: dict[str, Any]) -> ModelTrained:
        try:
            kept = ("bundle", "name", "model_version", "run_id", "seconds", "metrics")
            body = {name: tree[name] for name in kept}
            about: dict[str, Any] = {"cause": request.id, "time": request.time, "asset": "trainer"}
            return ModelTrained.of(**about, plan=request.plan, request=request.id, **body)
        except (KeyError, ValueError) as error:
            raise Failed(f"its result cannot be read: {error!r}") from error

    @staticmethod
    def _failed(request: TrainingRequested, seconds: float, why: str) -> TrainingFailed:
        return TrainingFailed.of(
            cause=request.id,
            time=request.time,
            asset="trainer",
            plan=request.plan,
            request=request.id,
            seconds=round(seconds, 3),
            error=why,
        )
