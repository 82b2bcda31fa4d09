"""The events of Tocsin: immutable facts in the past tense.

Each class says its ``stream`` (where it is kept), its ``version`` (raised when a field changes its meaning or goes
away; a new optional field does not raise it) and whether it is ``operational``. Operational events tell what happened
to Tocsin itself or in the outside world, at times that no replay can repeat; all others follow from the readings and
the configuration alone, and come out the same, byte for byte, whenever the log is read again. AlertChanged, and a
NotificationDue that routes or subscriptions address to somebody, follow from the operational stream ``signals``
instead, in which the time and what people decide stand: the same for that log, not for another run of the readings.
"""

import operator
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from .alerts import AlertAcknowledged as AlertAcknowledged
from .alerts import AlertChanged as AlertChanged
from .alerts import AlertClosed as AlertClosed
from .alerts import AlertNote as AlertNote
from .alerts import AlertPushed as AlertPushed
from .alerts import Signal as Signal
from .alerts import Signalled as Signalled
from .alerts import SilenceEnded as SilenceEnded
from .alerts import SilenceSet as SilenceSet
from .alerts import TimePassed as TimePassed
from .auditing import ActionAudited as ActionAudited
from .concept import PrecisionFell as PrecisionFell
from .concept import ScoresDrifted as ScoresDrifted
from .deployments import AlertLabelled as AlertLabelled
from .deployments import Candidate as Candidate
from .deployments import Guard as Guard
from .deployments import HealthChanged as HealthChanged
from .deployments import ModelMeasured as ModelMeasured
from .deployments import ModelPromoted as ModelPromoted
from .deployments import ModelServed as ModelServed
from .deployments import ModelTrained as ModelTrained
from .deployments import RolloutChanged as RolloutChanged
from .deployments import ShadowFound as ShadowFound
from .deployments import TrainingFailed as TrainingFailed
from .deployments import TrainingRequested as TrainingRequested
from .drifting import DriftAcknowledged as DriftAcknowledged
from .drifting import DriftReferenced as DriftReferenced
from .event import AnyEvent as AnyEvent
from .event import Event as Event
from .event import ReadingsEvent as ReadingsEvent
from .event import Severity as Severity
from .operations import AgentFailed as AgentFailed
from .operations import AgentStarted as AgentStarted
from .operations import AgentStopped as AgentStopped
from .operations import DeadLetterDropped as DeadLetterDropped
from .operations import DeadLettered as DeadLettered
from .operations import DeadLetterRedriven as DeadLetterRedriven
from .operations import LineageDelayed as LineageDelayed
from .operations import LineageRecorded as LineageRecorded
from .operations import LogGap as LogGap
from .operations import LogRewound as LogRewound
from .operations import ModelLoaded as ModelLoaded
from .operations import ModelPublished as ModelPublished
from .operations import ModelRefused as ModelRefused
from .operations import NotificationFailed as NotificationFailed
from .operations import NotificationSent as NotificationSent
from .operations import PartitionStopped as PartitionStopped
from .operations import Redriven as Redriven
from .operations import SegmentArchived as SegmentArchived
from .operations import SourceFailed as SourceFailed
from .operations import SourceFinished as SourceFinished
from .operations import SourcePaceChanged as SourcePaceChanged
from .operations import TaskRetired as TaskRetired
from .recovering import RecoveryStepTaken as RecoveryStepTaken
from .subscribed import DeliveryAttempted as DeliveryAttempted
from .subscribed import SubscriberChanged as SubscriberChanged
from .subscribed import SubscriberNoted as SubscriberNoted
from .subscribed import SubscriberRemoved as SubscriberRemoved
from .subscribed import SubscriberSet as SubscriberSet
from .subscribed import SubscriberTested as SubscriberTested


class ReadingsAcquired(ReadingsEvent):
    """Readings as the source gave them, the unreadable ones included."""

    stream = "readings.acquired"


class ReadingsAccepted(ReadingsEvent):
    """Readings that passed validation: finite, in time, plausible."""

    stream = "readings.accepted"


class ReadingsScored(ReadingsEvent):
    """The accepted readings again, each with its score as the value; written only where that is configured."""

    stream = "readings.scored"


class ReadingsRejected(ReadingsEvent):
    """Readings that did not pass, with verdict and what the input said; kept, never used."""

    stream = "readings.rejected"


class DataQualityIncident(Event):
    """Something is wrong with the data of a series, rather than with the machine."""

    stream: ClassVar[str] = "incidents"
    kind: Literal["gap", "stale", "stuck", "rejections", "series limit"]
    state: Literal["open", "closed"]
    severity: Severity = "warning"
    detail: str
    since: int = Field(description="event time at which it began, ns")
    count: int = Field(default=0, description="readings concerned so far")


class Evidence(BaseModel):
    """Where in the log the readings are that a finding was made from."""

    model_config = ConfigDict(frozen=True)

    stream: str
    first: int = Field(ge=1, description="ordinal of the first reading")
    last: int = Field(ge=1, description="ordinal of the last reading")


class Finding(Event):
    """What a model concluded from readings; carries the identity of everything that led to it."""

    detector: str = Field(description="kind of the detector")
    bundle: str = Field(description="digest of the model bundle that was loaded")
    feature_set: str = Field(description="hash of the feature set")
    environment: str = Field(description="hash of the pins that matter")
    evidence: Evidence


class AnomalyDetected(Finding):
    """A series does not behave as it did; or an asset as a whole, and then ``channel`` is empty."""

    stream: ClassVar[str] = "anomalies"
    score: float = Field(ge=0, le=1)
    threshold: float
    reason: str
    value: float
    severity: Severity = "warning"
    # Left out where it says nothing: the bytes are then those that were written before it existed.
    contributions: dict[str, float] = Field(
        default_factory=dict, exclude_if=operator.not_, description="channel -> its share, of an asset as a whole"
    )


class AnomalyCleared(Finding):
    """An anomaly that was reported is over; ``cause`` is the AnomalyDetected."""

    stream: ClassVar[str] = "anomalies"
    lasted: int = Field(description="ns between detection and clearance")


class LevelsChanged(Finding):
    """The levels of an asset's channels changed abruptly, whether or not that is an anomaly."""

    stream: ClassVar[str] = "changes"
    score: float = Field(ge=0, le=1)
    contributions: dict[str, float] = Field(description="channel -> its share")


class DriftDetected(Finding):
    """The distribution of a series is no longer that of its reference."""

    stream: ClassVar[str] = "drift"
    kind: str = Field(
        description="mean, spread, tail, shape, dependence, ramp, correlation, category; a sensor fault, quality; "
        "skew, season, new asset"
    )
    direction: Literal["up", "down", "none"]
    effect: float = Field(description="size of the change, in ``unit``")
    effect_low: float = Field(description="with about 95 % confidence not less")
    effect_high: float
    unit: str = Field(description="sd, sd/sample, ratio, share, rho or factor")
    since: int = Field(description="estimated event time of the change, ns")
    evidence_value: float = Field(description="test statistic over its threshold, at least 1")
    reference: str = Field(description="digest of the reference")
    severity: Severity = "warning"
    observed: str = Field(
        default="", exclude_if=operator.not_, description="what the test saw, where the kind names a likelier cause"
    )
    detail: str = Field(default="", exclude_if=operator.not_, description="why the kind is what it is")
    part_of: str = Field(
        default="", exclude_if=operator.not_, description="id of the asset's first drift, where this one adds to it"
    )


class NotificationDue(Event):
    """Somebody should be told of something."""

    stream: ClassVar[str] = "notifications"
    subject: str
    body: str
    severity: Severity
    finding: str = Field(description="id of the event that this is about")
    key: str = Field(description="idempotency key: the same for every delivery of this notification")
    # What routes add. Left out where nothing is routed: the bytes are then those that were written before.
    subscriber: str = Field(default="", exclude_if=operator.not_, description="whom it is for; empty: every sink")
    receiver: str = Field(default="", exclude_if=operator.not_, description="by which receiver of the routes")
    why: str = Field(
        default="",
        exclude_if=operator.not_,
        description="new, repeat, resolved, escalation, subscription, digest or test",
    )
    status: Literal["", "firing", "resolved"] = Field(default="", exclude_if=operator.not_)
    group: dict[str, str] = Field(default_factory=dict, exclude_if=operator.not_, description="labels of the group")
    group_key: str = Field(default="", exclude_if=operator.not_, description="the same for all of one group")
    alerts: tuple[AlertNote, ...] = Field(default=(), exclude_if=operator.not_, description="some of them, worst first")
    firing: int = Field(default=0, exclude_if=operator.not_, description="alerts of the group that fire")
    resolved: int = Field(default=0, exclude_if=operator.not_, description="that ended since the last time")

    @property
    def stands_alone(self) -> bool:
        # One subscriber that cannot be reached must not keep the messages of others from being settled.
        return bool(self.subscriber)


class ClockTicked(Event):
    """Time passed while nothing had to be said: lets processors notice silence without a clock of their own."""

    stream: ClassVar[str] = "readings.acquired"


def _leaves(root: type) -> list[Any]:
    children: list[Any] = root.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] if children else [root]


#: type name -> class, for every event that can stand in the log
EVENTS: dict[str, type[Event] | type[ReadingsEvent]] = {
    leaf.__name__: leaf for root in (Event, ReadingsEvent) for leaf in _leaves(root)
}
