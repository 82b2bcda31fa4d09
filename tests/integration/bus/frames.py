"""Small frames for tests of the bus."""

from collections.abc import Sequence

from bus.protocol import Bus, Commit, Entry, Place
from contracts.events import Event, NotificationSent
from contracts.frames import Frame, decode, encode

STREAM = "numbers"
TASK = "counter"


def number(value: int) -> NotificationSent:
    """An event that is told apart by its number."""
    return NotificationSent.of(cause=f"test {value}", time=value, asset="a", subscriber="a", key="o", attempt=value)


def frame(*values: int, writer: str = "test") -> Frame:
    """One frame with an event per number."""
    (found,) = encode([number(value) for value in values], writer)
    return found


def numbers(entries: Sequence[Entry]) -> list[int]:
    """The numbers in the entries."""
    out = []
    for entry in entries:
        for event in decode(entry.frame(), entry.last):
            assert isinstance(event, Event)
            out.append(event.time)
    return out


async def everything(bus: Bus, stream: str = STREAM, partition: int = 0) -> list[int]:
    """All numbers in a place."""
    return numbers(await bus.range(Place(stream, partition), 1, 10**9, count=10**6))


def step(token: int, expected: str, position: str, *values: int, task: str = TASK, partition: int = 0) -> Commit:
    """A commit whose outputs are one frame per number."""
    return Commit(partition, task, token, expected, position, [(STREAM, frame(value)) for value in values])
