"""How far back the log goes, and how far it has come: event times of accepted readings at both of its ends."""

from bus.protocol import Place, Recorded
from bus.scan import scan
from contracts.events import ReadingsAccepted


async def newest(recorded: Recorded) -> int | None:
    """Event time of the newest reading at the end of any partition, ns; None where there is none."""
    ends = await recorded.ends(_places(recorded))
    return max(await _times(recorded, {place: end for place, end in ends.items() if end}), default=None)


async def oldest(recorded: Recorded) -> int | None:
    """Event time of the oldest reading at the beginning of any partition, ns; None where there is none."""
    ends, starts = await recorded.ends(_places(recorded)), await recorded.starts(_places(recorded))
    return min(await _times(recorded, {p: start for p, start in starts.items() if start <= ends[p]}), default=None)


def _places(recorded: Recorded) -> list[Place]:
    return [Place(ReadingsAccepted.stream, number) for number in range(recorded.partitions)]


async def _times(recorded: Recorded, ordinals: dict[Place, int]) -> list[int]:
    """Of the entries that hold these readings: the event times of all that is in them."""
    return [
        time
        for place, ordinal in ordinals.items()
        async for found in scan(recorded, place, ordinal, ordinal)
        for event in found.events
        if isinstance(event, ReadingsAccepted)
        for time in event.readings.time.tolist()
    ]
