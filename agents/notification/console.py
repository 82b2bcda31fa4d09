"""Notifications on the screen."""

import sys
from typing import ClassVar, Literal, TextIO

from pydantic import ConfigDict, Field, PrivateAttr

from contracts.events import NotificationDue
from contracts.instants import iso

from ..parts import Sink
from .lines import escaped, json_line


class ConsoleSink(Sink[NotificationDue]):
    """One line per notification, on standard output unless told otherwise."""

    # ``json`` is a method of every pydantic model, so the field has another name inside.
    model_config = ConfigDict(validate_by_name=True)

    concurrency: ClassVar[int] = 1
    kind: Literal["console"] = "console"
    as_json: bool = Field(default=False, alias="json", description="JSON instead of a line for people")

    _stream: TextIO | None = PrivateAttr(default=None)

    def onto(self, stream: TextIO) -> "ConsoleSink":
        """The same sink, writing to another stream."""
        sink = self.model_copy()
        sink._stream = stream
        return sink

    async def deliver(self, event: NotificationDue) -> None:
        stream = self._stream or sys.stdout
        stream.write((json_line(event) if self.as_json else _line(event)) + "\n")
        stream.flush()


def _line(event: NotificationDue) -> str:
    """Time, subject and what to do next; whatever a name or a reason holds, the line stays one line."""
    why = [part.partition(": ") for part in event.body.splitlines()]
    parts = [f"{head}: {text}" if head == "Further" else text for head, _, text in why if head in _SHOWN]
    return escaped(" · ".join([f"{iso(event.time)} {event.subject}", *parts]))


_SHOWN = ("Why", "Further", "Next")
