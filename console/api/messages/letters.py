"""What is told of dead letters, and what is decided about them."""

from typing import Annotated, Any

from pydantic import Field

from .message import Message, Noted


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
