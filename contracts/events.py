"""The events of Tocsin: immutable facts in the past tense.

Each class says its ``stream`` (where it is kept), its ``version`` (raised when a field changes its meaning or goes
away; a new optional field does not raise it) and whether it is ``operational``. Operational events tell what happened
to Tocsin itself or in the outside world, at times that no replay can repeat; all others follow from the readings and
the configuration alone, and come out the same, byte for byte, whenever the log is read again.
"""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from .identity import event_id
from .readings import Readings

Severity = Literal["info", "warning", "critical"]


class Event(BaseModel):
    """A fact about one asset, made from its cause.

    id       deterministic, from type, cause, asset, channel, time and ``discriminator``
    cause    id of the event or reading that this follows from
    time     event time, nanoseconds since 1970 UTC
    asset    the machine; for operational events the agent
    channel  the sensor; empty where the fact is about the asset as a whole
    """

    # A later minor version may add fields: they are kept, so that reading and writing loses nothing.
    # JSON has no NaN and no infinity: they are written as texts, and read back.
    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="strings")

    stream: ClassVar[str] = ""
    version: ClassVar[int] = 1
    most_bytes: ClassVar[int] = 1 << 20
    operational: ClassVar[bool] = False

    id: str
    cause: str
    time: int
    asset: str
    channel: str = ""

    @classmethod
    def of(cls, *, cause: str, time: int, asset: str, channel: str = "", discriminator: str = "", **body: Any) -> Self:
        """The event with the id that its cause gives it; ``discriminator`` parts several from one cause."""
        name = event_id(cls.__name__, cause, asset, channel, time, discriminator)
        return cls(id=name, cause=cause, time=time, asset=asset, channel=channel, **body)

    @classmethod
    def type_name(cls) -> str:
        return cls.__name__


class ReadingsEvent:
    """Many readings of one partition. Not a pydantic model: the columns are checked as arrays."""

    stream: ClassVar[str]
    version: ClassVar[int] = 1
    operational: ClassVar[bool] = False
    __slots__ = ("readings",)

    def __init__(self, readings: Readings) -> None:
        self.readings = readings

    def __len__(self) -> int:
        return len(self.readings)

    @classmethod
    def type_name(cls) -> str:
        return cls.__name__

    @classmethod
    def row_id(cls, reading_id: str) -> str:
        """The id of this event for one reading."""
        return event_id(cls.__name__, reading_id)

    def same_as(self, other: "ReadingsEvent") -> bool:
        """Whether both say the same of the same readings, bit for bit (NaN payloads included)."""
        a, b = self.readings, other.readings
        return (
            type(self) is type(other)
            and len(a) == len(b)
            and [a.series[i] for i in a.code.tolist()] == [b.series[i] for i in b.code.tolist()]
            and np.array_equal(a.value.view(np.int64), b.value.view(np.int64))
            and all(
                np.array_equal(getattr(a, name), getattr(b, name))
                for name in ("time", "quality", "position", "verdict")
            )
            and dict(a.notes) == dict(b.notes)
        )


class ReadingsAcquired(ReadingsEvent):
    """Readings as the source gave them, the unreadable ones included."""

    stream = "readings.acquired"


class ReadingsAccepted(ReadingsEvent):
    """Readings that passed validation: finite, in time, plausible."""

    stream = "readings.accepted"


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
    """A series does not behave as it did."""

    stream: ClassVar[str] = "anomalies"
    score: float = Field(ge=0, le=1)
    threshold: float
    reason: str
    value: float
    severity: Severity = "warning"


class AnomalyCleared(Finding):
    """An anomaly that was reported is over; ``cause`` is the AnomalyDetected."""

    stream: ClassVar[str] = "anomalies"
    lasted: int = Field(description="ns between detection and clearance")


class DriftDetected(Finding):
    """The distribution of a series is no longer that of its reference."""

    stream: ClassVar[str] = "drift"
    kind: str = Field(description="mean, spread, tail, shape, dependence, ramp; or the sensor fault")
    direction: Literal["up", "down", "none"]
    effect: float = Field(description="size of the change, in ``unit``")
    effect_low: float = Field(description="with about 95 % confidence not less")
    effect_high: float
    unit: str = Field(description="sd, sd/sample, ratio, share, rho or factor")
    since: int = Field(description="estimated event time of the change, ns")
    evidence_value: float = Field(description="test statistic over its threshold, at least 1")
    reference: str = Field(description="digest of the reference")
    severity: Severity = "warning"


class NotificationDue(Event):
    """Somebody should be told of something."""

    stream: ClassVar[str] = "notifications"
    subject: str
    body: str
    severity: Severity
    finding: str = Field(description="id of the event that this is about")
    key: str = Field(description="idempotency key: the same for every delivery of this notification")


class NotificationSent(Event):
    """A sink took a notification."""

    stream: ClassVar[str] = "deliveries"
    operational: ClassVar[bool] = True
    subscriber: str
    key: str
    attempt: int


class NotificationFailed(Event):
    """A sink could not take a notification after all tries; the notification is a dead letter."""

    stream: ClassVar[str] = "deliveries"
    operational: ClassVar[bool] = True
    subscriber: str
    key: str
    attempt: int
    error: str


class ModelPublished(Event):
    """A bundle has a version in the registry, and was read back and verified there."""

    stream: ClassVar[str] = "models"
    operational: ClassVar[bool] = True
    name: str
    model_version: str
    bundle: str
    run_id: str


class ModelLoaded(Event):
    """An agent serves a bundle from here on."""

    stream: ClassVar[str] = "models"
    operational: ClassVar[bool] = True
    bundle: str
    previous: str = ""
    agent: str


class ModelRefused(Event):
    """An agent refused a bundle; the one before goes on serving."""

    stream: ClassVar[str] = "models"
    operational: ClassVar[bool] = True
    bundle: str
    agent: str
    reason: str


class LineageRecorded(Event):
    """A range of findings of one partition is recorded in MLflow and was read back."""

    stream: ClassVar[str] = "lineage"
    operational: ClassVar[bool] = True
    run_id: str
    findings: str = Field(description="stream that the findings are in")
    first: int
    last: int
    digest: str


class ClockTicked(Event):
    """Time passed while nothing had to be said: lets processors notice silence without a clock of their own."""

    stream: ClassVar[str] = "readings.acquired"


class SourceFinished(Event):
    """A source that has an end reached it; everything before is in the log."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    source: str
    readings: int


class SourceFailed(Event):
    """A source cannot go on; what it read so far is in the log."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    source: str
    error: str


class AgentStarted(Event):
    """An agent took over a partition."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str
    owner: str
    token: int


class AgentStopped(Event):
    """An agent gave a partition back."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str
    owner: str


class AgentFailed(Event):
    """An agent raised; it is restarted after a pause."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str
    owner: str
    error: str


class DeadLettered(Event):
    """An entry that could not be handled, with everything needed to try again."""

    stream: ClassVar[str] = "dead-letters"
    operational: ClassVar[bool] = True
    # It holds a whole frame in base64.
    most_bytes: ClassVar[int] = 2 << 20
    agent: str
    origin: str = Field(description="stream of the entry")
    position: int
    reason: str
    trace: str = ""
    tries: int = 1
    frame: dict[str, str] = Field(description="the entry as it was, base64 per field")


AnyEvent = Event | ReadingsEvent


def _leaves(root: type) -> list[Any]:
    children: list[Any] = root.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] if children else [root]


#: type name -> class, for every event that can stand in the log
EVENTS: dict[str, type[Event] | type[ReadingsEvent]] = {
    leaf.__name__: leaf for root in (Event, ReadingsEvent) for leaf in _leaves(root)
}
