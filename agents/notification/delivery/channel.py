"""A way to one subscriber: a connection to it, and what it said."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bus.protocol import Bus
from contracts.errors import TocsinError
from contracts.events import NotificationDue

from ...clock import Clock

Raised = TypeVar("Raised", bound=TocsinError)


@dataclass(frozen=True)
class Surroundings:
    """What a channel may know besides its subscriber.

    data_dir    relative paths of settings are under it
    clock       the only clock
    bus         the log's own server; None in tests of channels that do not need it
    """

    data_dir: Path
    clock: Clock = field(default_factory=Clock)
    bus: Bus | None = None


class Channel(ABC):
    """Takes messages to one subscriber, one after the other.

    A message may come again, with the same ``key``: the one before may have arrived, or not. Nothing that is
    raised, returned or logged may hold a secret, nor the text of an error that may hold one: no URL, no header.
    """

    @abstractmethod
    async def send(self, message: NotificationDue) -> str:
        """Deliver, and return what the receiver said in a word or two, as ``200``.

        It is cancelled after the subscriber's ``timeout``, and must not block: what does goes to a thread.
        Raises RetryLater when the receiver named a pause, Refused when no further try can help, Unavailable when it
        did not work this time. Where the receiver answered, ``answered`` puts that with the error.
        """

    async def close(self) -> None:
        """Let go of connections; nothing is sent any more."""
        return


def answered(error: Raised, answer: str) -> Raised:
    """The error, with what the receiver said in a word, as ``503``."""
    error.answer = answer
    return error
