"""Operational events: what happened to Tocsin itself or in the outside world, at times that no replay can repeat."""

from typing import ClassVar

from pydantic import Field

from .event import Event


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
    """A process began to run an agent."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str
    owner: str


class AgentStopped(Event):
    """A process ended an agent in order."""

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


class LogGap(Event):
    """Entries were gone before a task had read them: deleted or trimmed by somebody else. They were not handled."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str
    origin: str = Field(description="stream with the gap")
    first: int = Field(description="ordinal of the first event that is missing")
    last: int


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
