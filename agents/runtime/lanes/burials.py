"""What a task passed over: events that it buried as dead letters, and holes that it told of.

Recovery passes over the same ones. Whether an event can be handled may depend on what only the live process met: no
memory, another version, a crash. So the log says what was handled, not a second try.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bus.protocol import Place, Recorded
from bus.scan import scan
from contracts.events import AnyEvent, DeadLettered, LogGap

#: What the dead letter of an entry says that ended the process which handled it.
KILLED = "killed the process"
_REASON = f"Killed: {KILLED}"


@dataclass
class Passed:
    """Ordinals of one place: ``events`` were buried, ``gaps`` were gone (first and last of each)."""

    events: set[int] = field(default_factory=set)
    gaps: set[tuple[int, int]] = field(default_factory=set)


async def buried(recorded: Recorded, task: str, place: Place) -> frozenset[int]:
    """The ordinals in a place of the events that killed the process of a task, and so were buried."""
    found = await _letters(recorded, task, place, 0)
    return frozenset(
        ordinal for letter in found if letter.reason.startswith(_REASON) for ordinal in _ordinals(letter)
    )  # fmt: skip


async def passed(recorded: Recorded, task: str, place: Place, letters: int, gaps: int) -> Passed:
    """What a task passed over in a place, as told behind these ordinals of its streams for both."""
    found = Passed()
    for letter in await _letters(recorded, task, place, letters):
        found.events.update(_ordinals(letter))
    async for event in _events(recorded, Place(LogGap.stream, place.partition), gaps):
        if isinstance(event, LogGap) and (event.agent, event.origin) == (task, place.stream):
            found.gaps.add((event.first, event.last))
    return found


async def _letters(recorded: Recorded, task: str, place: Place, after: int) -> list[DeadLettered]:
    return [
        event.model_copy(update={"frame": {}, "trace": ""})
        async for event in _events(recorded, Place(DeadLettered.stream, place.partition), after)
        if isinstance(event, DeadLettered) and (event.agent, event.origin) == (task, place.stream)
    ]


async def _events(recorded: Recorded, place: Place, after: int) -> AsyncIterator[AnyEvent]:
    async for found in scan(recorded, place, after + 1):
        for event in found.events:
            yield event


def _ordinals(letter: DeadLettered) -> range:
    """What a letter stands for: the events of its frame; or one Redriven with all that it held."""
    if letter.at:
        return range(letter.at, letter.at + 1)
    return range(letter.position - letter.events + 1, letter.position + 1)
