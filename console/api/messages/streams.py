"""What is told of streams and tasks."""

from pydantic import Field

from .message import Message


class Owner(Message):
    """A process that works on a task."""

    owner: str
    since: str = Field(description="when it began; empty: it does not report in this data directory")


class TaskRow(Message):
    """How far a task is. Times are seconds, of commits or, for a sink, of deliveries; null: none was counted."""

    task: str
    kind: str
    done: int
    per_second: float = Field(description="of the last interval between two looks")
    behind: int = Field(description="events that it has not read")
    pending: int = Field(description="entries that a sink took and did not settle")
    oldest_unread: str
    oldest_age_s: float | None
    p50_s: float | None
    p99_s: float | None
    recoveries: int
    refused: int
    fenced: int
    owners: list[Owner]


class StreamRow(Message):
    """What a stream holds, over all partitions; null: it cannot be told."""

    stream: str
    events: int = Field(description="that were ever written")
    held: int = Field(description="that the server holds now")
    oldest: str = Field(description="event time of the oldest one that the server holds")
    newest: str
    memory: int | None = Field(description="bytes on the server, estimated by it")
    archived: int | None = Field(description="events that are in the archive")
    partitions: int


class ProcessRow(Message):
    """A process that reports in this data directory."""

    process: str
    owner: str
    started: str
    cpu_s: float
    resident: int = Field(description="bytes")


class StoppedRow(Message):
    """A task that stands still on a partition, and waits for somebody."""

    task: str
    partition: int
    position: int
    since: str
    owner: str
    error: str


class StreamsNow(Message):
    """One look at everything."""

    at: str
    tasks: list[TaskRow]
    streams: list[StreamRow]
    processes: list[ProcessRow]
    stopped: list[StoppedRow]
    letters: int = Field(description="open dead letters")
    memory: float = Field(description="share of the server's memory that is used; 0: it has no limit")
