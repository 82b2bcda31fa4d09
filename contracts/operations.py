"""Operational events: what happened to Tocsin itself or in the outside world, at times that no replay can repeat."""

import operator
from typing import ClassVar, Literal

from pydantic import Field

from .event import Event


class NotificationSent(Event):
    """A sink took a notification."""

    stream: ClassVar[str] = "deliveries"
    operational: ClassVar[bool] = True
    subscriber: str = Field(description="whom it was for; the sink, where it was for nobody in particular")
    key: str
    attempt: int
    answer: str = Field(default="", exclude_if=operator.not_, description="what the receiver said in a word, as 200")
    latency_ms: float = Field(default=0.0, exclude_if=operator.not_, description="time that this try took")


class NotificationFailed(Event):
    """A sink could not take a notification after all tries; the notification is a dead letter."""

    stream: ClassVar[str] = "deliveries"
    operational: ClassVar[bool] = True
    subscriber: str
    key: str
    attempt: int
    error: str
    answer: str = Field(default="", exclude_if=operator.not_, description="what the receiver said in a word, as 404")


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
    golden_ms: float = Field(default=0.0, ge=0, description="time per 1,000 golden vectors; 0: not told")


class ModelRefused(Event):
    """An agent refused a bundle; the one before goes on serving."""

    stream: ClassVar[str] = "models"
    operational: ClassVar[bool] = True
    bundle: str
    agent: str
    reason: str
    kind: str = Field(default="", description="the cause in a word or two, as of BundleRefused")


class LineageRecorded(Event):
    """A range of findings of one partition is recorded in MLflow and was read back."""

    stream: ClassVar[str] = "lineage"
    operational: ClassVar[bool] = True
    run_id: str
    findings: str = Field(description="stream that the findings are in")
    first: int
    last: int
    digest: str


class LineageDelayed(Event):
    """Findings of this partition wait to be recorded for longer than they should, or do so no more.

    ``time`` is wall clock. Each partition tells of itself, so that the last event of a task there is how it is.
    """

    stream: ClassVar[str] = "lineage.delays"
    operational: ClassVar[bool] = True
    task: str = Field(description="recorder with the stream that it reads")
    state: Literal["delayed", "caught up"]
    behind: int = Field(description="events that are not recorded")
    since: int = Field(description="wall clock, ns, since when the oldest of them waits; when it ended: of the event")
    error: str = Field(default="", description="why the last try failed")


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


class PartitionStopped(Event):
    """A task stands still on this partition: what it computed again is not what it committed, or the log has a hole."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str
    owner: str
    origin: str = Field(description="stream that the task reads")
    position: int = Field(description="ordinal up to which the task had committed")
    error: str


class LogGap(Event):
    """Entries were gone before a task had read them: deleted or trimmed by somebody else. They were not handled."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str
    origin: str = Field(description="stream with the gap")
    first: int = Field(description="ordinal of the first event that is missing")
    last: int


class LogRewound(Event):
    """The log lost its end, as by a failover to a replica that lagged; what was told of it before may not be in it."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    agent: str = Field(description="task that had been further")
    first: int = Field(description="position after which the log goes on")
    last: int = Field(description="position that the task had reached")
    partition: int = Field(default=-1, description="-1: the one that the event is in")
    refed: bool = Field(default=True, description="whether it comes again by itself; pushed readings do not")
    detail: str


class SourcePaceChanged(Event):
    """A source slows down, stops or goes on at full speed, for the sake of memory or of those who read it."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    source: str
    pace: Literal["full", "slow", "stopped"]
    memory: float = Field(description="share of the server's memory, or of bus.memory_mb, that is used")
    behind: int = Field(description="events that the slowest reader has not read, in one partition")


class SegmentArchived(Event):
    """A range of a stream is in the archive, and was read back and compared. From here on it may be trimmed."""

    stream: ClassVar[str] = "archive"
    operational: ClassVar[bool] = True
    origin: str = Field(description="stream of the range")
    first: int = Field(description="ordinal of the first event in it")
    last: int
    file: str = Field(description="below the archive's folder")
    digest: str = Field(description="of the file's bytes")


class TaskRetired(Event):
    """A task or group was forgotten for good: streams wait for it no more."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    reader: str
    partitions: int = Field(description="how many partitions knew it")


class DeadLettered(Event):
    """An entry that could not be handled, with everything needed to try again."""

    stream: ClassVar[str] = "dead-letters"
    operational: ClassVar[bool] = True
    # It holds a whole frame in base64.
    most_bytes: ClassVar[int] = 2 << 20
    agent: str
    origin: str = Field(description="stream of the entry")
    position: int = Field(description="ordinal of the last event in the frame, as it was at first")
    events: int = Field(default=1, description="number of events in the frame")
    at: int = Field(default=0, description="ordinal of the Redriven that held the frame; 0: it was met at its position")
    reason: str
    trace: str = ""
    tries: int = 1
    frame: dict[str, str] = Field(description="the entry as it was, base64 per field")


class DeadLetterRedriven(Event):
    """Somebody had a dead letter handled again: a Redriven stands in the stream that it came from."""

    stream: ClassVar[str] = "dead-letters"
    operational: ClassVar[bool] = True
    agent: str
    letter: str = Field(description="id of the DeadLettered")
    by: str = Field(description="who decided it")
    why: str = ""


class DeadLetterDropped(Event):
    """Somebody decided that a dead letter needs nothing any more; it stays readable."""

    stream: ClassVar[str] = "dead-letters"
    operational: ClassVar[bool] = True
    agent: str
    letter: str = Field(description="id of the DeadLettered")
    by: str = Field(description="who decided it")
    why: str = ""


class Redriven(Event):
    """A frame for one task or sink to handle at this place; every other reader of the stream passes it by.

    It stands in the stream that the frame was in at first, ``origin``, whatever ``stream`` says.
    """

    stream: ClassVar[str] = "dead-letters"
    operational: ClassVar[bool] = True
    # It holds a whole frame in base64.
    most_bytes: ClassVar[int] = 2 << 20
    agent: str = Field(description="task or sink that is to handle the frame")
    letter: str = Field(default="", description="id of the DeadLettered; empty for an entry from the archive")
    origin: str = Field(description="stream of the frame, and of this event")
    position: int = Field(description="where the frame was at first")
    events: int = Field(default=1, description="number of events in the frame")
    frame: dict[str, str] = Field(description="the entry as it was, base64 per field")
