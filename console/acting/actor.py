"""Somebody who acts: who, on which log."""

from dataclasses import dataclass, field

from agents.clock import Clock
from bus.protocol import Bus, Place
from contracts.events import Event
from contracts.frames import encode
from contracts.identity import home_of
from contracts.settings import Settings

#: Who wrote what people decide, as an entry of the log names it.
WRITER = "people"


@dataclass(frozen=True)
class Actor:
    """``by`` is kept with everything that is done."""

    bus: Bus
    settings: Settings
    by: str
    clock: Clock = field(default_factory=Clock)

    async def append(self, event: Event) -> None:
        """Put what was decided into the log; decisions of a stream stand in one place, and so in one order.

        Raises Unavailable; then it may stand there or not.
        """
        place = Place(event.stream, home_of(event.stream, self.bus.partitions))
        await self.bus.append(place, list(encode([event], WRITER)))
