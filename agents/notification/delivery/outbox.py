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


async def outbox(
    recorded: Recorded, sink: str, subscriber: str | None = None, *, latest: int | None = None
) -> list[Kept]:
    """Open dead letters of the sink that are for the subscriber (None: for any), oldest first in each partition.

    ``latest``: so many letters are looked at, the newest; None: all.
    Redriving their letters (``agents.redriving``) delivers them again, with the same key.
    """
    letters = OpenLetters(recorded)
    await letters.refresh()
    found = []
    own = [letter for letter in letters if letter.about.agent == sink]
    for letter in own if latest is None else own[-latest:]:
        try:
            events = contents(await whole(recorded, letter))
        except UnreadableEvent:
            continue
        found += [
            Kept(letter, event)
            for event in events
            if isinstance(event, NotificationDue) and subscriber in (None, event.subscriber)
        ]
    return found
