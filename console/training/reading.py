"""A range of the accepted readings, read again and again in the order in which it came."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from agents.coordinator import trainerspan
from bus.history import History
from bus.protocol import Place, Recorded
from bus.scan import scan
from bus.window import Span, spans
from contracts.errors import NotFound
from contracts.events import ReadingsAccepted
from contracts.readings import Readings
from models.training import Training

from ..output import notices, say

#: Looks that a training takes.
LOOKS = 3
Advance = Callable[[str, int], None]


async def newest(recorded: Recorded) -> int:
    """Event time of the newest reading in the log, ns.

    Raises NotFound when there is none.
    """
    found = await trainerspan.newest(recorded)
    if found is None:
        raise NotFound("the log has no accepted reading to train on", mend="Run the service first, or tocsin run FILE.")
    return found


@dataclass
class Past:
    """What is between two event times, as far as the log had come when it was first asked."""

    history: History
    since: int
    until: int
    unreadable: int = 0
    _spans: dict[Place, list[Span]] = field(default_factory=dict)

    async def train(self, training: Training) -> None:
        """Take all looks, with a bar where somebody watches."""
        for number in range(self.history.partitions):
            place = Place(ReadingsAccepted.stream, number)
            self._spans[place] = await spans(self.history, place, self.since, self.until)
        total = sum(last - first + 1 for found in self._spans.values() for first, last in found)
        with progress(total * LOOKS) as advance:
            for name, view in training.looks():
                self.unreadable = 0
                for place in self._spans:
                    async for readings in self._readings(place):
                        view.take(place.partition, readings)
                        advance(name, len(readings))
                    view.end(place.partition)
        if self.unreadable:
            say(f"{self.unreadable:,} entries of the range could not be read, and were left out")

    async def _readings(self, place: Place) -> AsyncIterator[Readings]:
        for first, last in self._spans[place]:
            async for found in scan(self.history, place, first, last):
                self.unreadable += bool(found.problem)
                for event in found.events:
                    if isinstance(event, ReadingsAccepted):
                        yield _within(event.readings, first, last)


def _within(readings: Readings, first: int, last: int) -> Readings:
    """An entry may reach over the ends of what was there at first."""
    low, high = max(first - readings.first, 0), min(last - readings.first + 1, len(readings))
    return readings if (low, high) == (0, len(readings)) else readings.take(slice(low, high))


@contextmanager
def progress(total: int) -> Iterator[Advance]:
    """Shows how far it is, on standard error, where that is a terminal."""
    if not notices().is_terminal:
        yield lambda name, count: None
        return
    from rich.progress import Progress

    with Progress(console=notices(), transient=True) as bar:
        task = bar.add_task("training", total=total)
        yield lambda name, count: bar.update(task, advance=count, description=name)
