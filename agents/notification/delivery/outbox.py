"""What could not be delivered to a subscriber, and is kept: its dead letters."""

from dataclasses import dataclass

from bus.protocol import Recorded
from contracts.errors import UnreadableEvent
from contracts.events import NotificationDue

from ...letters import Letter, OpenLetters, contents, whole


@dataclass(frozen=True)
class Kept:
    """A notification that is not delivered, in its dead letter."""

    letter: Letter
    message: NotificationDue


async def outbox(recorded: Recorded, sink: str, subscriber: str) -> list[Kept]:
    """Open dead letters of the sink that are for the subscriber, oldest first in each partition.

    Redriving their letters (``agents.redriving``) delivers them again, with the same key.
    """
    letters = OpenLetters(recorded)
    await letters.refresh()
    found = []
    for letter in letters:
        if letter.about.agent != sink:
            continue
        try:
            events = contents(await whole(recorded, letter))
        except UnreadableEvent:
            continue
        found += [
            Kept(letter, event)
            for event in events
            if isinstance(event, NotificationDue) and event.subscriber == subscriber
        ]
    return found
