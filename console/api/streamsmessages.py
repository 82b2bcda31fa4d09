"""What is told of streams and dead letters, and what is decided about letters."""

from typing import Annotated, Any

from pydantic import Field

from .alertmessages import Noted
from .messages import Message


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


class LetterRow(Message):
    """A dead letter that is open."""

    id: str
    agent: str = Field(description="task or sink that could not handle it")
    origin: str
    partition: int
    position: int
    events: int
    at: int
    time: str = Field(description="when it was written; empty: it could not even be read")
    tries: int
    reason: str
    input: str = Field(description="the beginning of what is in it")


class LetterRows(Message):
    """A page of open letters, the oldest first."""

    letters: list[LetterRow]
    count: int = Field(description="that are open, on all pages")
    next: int = Field(description="value of `after` for the next page; 0: there is none")


class LetterContent(Message):
    """A dead letter with everything about it."""

    type: str
    id: str
    cause: str
    asset: str
    channel: str
    time: str
    agent: str
    origin: str
    partition: int
    position: int
    events: int
    at: int
    reason: str
    trace: str
    tries: int
    contents: list[dict[str, Any]] = Field(description="the events in it, the first so many")
    more: int = Field(description="events in it that are left out here")
    unreadable: str = Field(description="why it cannot be read; empty where it can")


class Redriving(Noted):
    """All open letters of a task or sink."""

    task: Annotated[str, Field(min_length=1, max_length=400)]


class Redrove(Message):
    """What is handled again, and what could not be: at most 1,000 in one request."""

    letters: list[str] = Field(description="ids")
    left: dict[str, str] = Field(description="id -> why it was left as it is")
    waiting: int = Field(description="of the same task that are still open")
