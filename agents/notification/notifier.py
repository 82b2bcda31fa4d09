"""Decides what is worth telling: once per trouble, not once per finding."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import Field

from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    DataQualityIncident,
    DriftDetected,
    NotificationDue,
    Severity,
)
from contracts.identity import event_id
from contracts.instants import SECOND

from ..parts import Processor
from .wording import Opening, body, place, subject

_RANK: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}
_TROUBLES = 10_000
_OPEN_PER_TROUBLE = 10


@dataclass
class NotifierState:
    """What was told lately, at most 10,000 troubles; the one that was heard of longest ago is forgotten first."""

    told: dict[str, tuple[int, int, tuple[str, ...]]] = field(default_factory=dict)
    """trouble -> event time of the last notification, findings kept back since, anomalies told and not cleared"""


class Notifier(
    Processor[AnomalyDetected | AnomalyCleared | DriftDetected | DataQualityIncident, NotificationDue, NotifierState]
):
    """One notification for each finding that opens something new.

    Findings about the same trouble (of an anomaly: the same asset and detector) are kept back and counted while an
    anomaly that was told is open, and for a while after a notification.
    """

    minimum_severity: Severity = "info"
    repeat_s: float = Field(default=900, ge=0)
    remind_s: float = Field(default=86_400, ge=0)

    def start(self) -> NotifierState:
        return NotifierState()

    def handle(
        self,
        event: AnomalyDetected | AnomalyCleared | DriftDetected | DataQualityIncident,
        state: NotifierState,
    ) -> Iterator[NotificationDue]:
        if isinstance(event, AnomalyCleared):
            self._clear(event, state)
            return
        if isinstance(event, DataQualityIncident) and event.state == "closed":
            return
        if _RANK[event.severity] < _RANK[self.minimum_severity]:
            return
        if isinstance(event, DriftDetected) and event.part_of:
            # One finding: its first drift was told.
            return
        trouble = _trouble(event)
        kept_back = 0
        still: tuple[str, ...] = ()
        if trouble in state.told:
            # Taken out and put in again: the first in the dict is the one heard of longest ago.
            last, kept_back, still = state.told.pop(trouble)
            if self._too_soon(abs(event.time - last), is_open=bool(still)):
                state.told[trouble] = (last, kept_back + (event.id not in still), still)
                return
        now_open = (*still, event.id)[-_OPEN_PER_TROUBLE:] if isinstance(event, AnomalyDetected) else ()
        state.told[trouble] = (event.time, 0, now_open)
        while len(state.told) > _TROUBLES:
            del state.told[next(iter(state.told))]
        yield _due(event, kept_back)

    def _too_soon(self, since: int, is_open: bool) -> bool:
        # An anomaly that nobody closes must not be silent for ever: after a while it is told again.
        return since < self.repeat_s * SECOND or (is_open and since < self.remind_s * SECOND)

    def _clear(self, event: AnomalyCleared, state: NotifierState) -> None:
        trouble = _topic("anomaly", event.asset, event.detector)
        if trouble in state.told:
            last, kept_back, told = state.told[trouble]
            state.told[trouble] = (last, kept_back, tuple(each for each in told if each != event.cause))


def _trouble(event: Opening) -> str:
    if isinstance(event, AnomalyDetected):
        return _topic("anomaly", event.asset, event.detector)
    return _topic("drift" if isinstance(event, DriftDetected) else "data", place(event), event.kind)


def _topic(*parts: str) -> str:
    # Names hold no slash, so that no two troubles have the same text; kinds stand last.
    return "/".join(parts)


def _due(event: Opening, kept_back: int) -> NotificationDue:
    return NotificationDue.of(
        cause=event.id,
        time=event.time,
        asset=event.asset,
        channel=event.channel,
        subject=subject(event),
        body=body(event, kept_back),
        severity=event.severity,
        finding=event.id,
        key=event_id("notification", event.id),
    )
