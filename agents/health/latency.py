"""How far scoring is behind what was accepted, in the time of the readings."""

from collections.abc import Mapping, Sequence

from bus.protocol import Place, Recorded
from bus.scan import read
from contracts.events import ReadingsAccepted, ReadingsEvent
from contracts.health import HealthSettings
from contracts.instants import SECOND
from contracts.settings import ARCHIVE

from .finding import Health, ill, skipped, well

CHECK = "feature-latency"


async def latency(log: Recorded, positions: Sequence[Mapping[str, str]], limits: HealthSettings) -> Health:
    """The largest distance of a task from the newest accepted reading of its partition."""
    stream = ReadingsAccepted.stream
    ends = await log.ends([Place(stream, number) for number in range(len(positions))])
    behind: dict[str, float] = {}
    for place, end in ends.items():
        tasks = {name: int(at or 0) for name, at in positions[place.partition].items() if _waited_for(name)}
        newest = await _time(log, place, end) if tasks and end else None
        for name, at in tasks.items():
            oldest = await _time(log, place, at + 1) if newest is not None and at < end else newest
            if newest is not None and oldest is not None:
                behind[name] = max(behind.get(name, 0.0), (newest - oldest) / SECOND)
    if not behind:
        return skipped(CHECK, "nothing was accepted yet")
    task, most = max(behind.items(), key=lambda item: item[1])
    if most <= limits.latency_s:
        return well(CHECK, f"scored at most {most:.1f} s after the newest accepted reading")
    return ill(
        CHECK,
        f"{task} is {most:,.0f} s behind what was accepted",
        "The process that scores is down or overloaded, or it catches up after a pause",
        "See who is behind and who works on it: tocsin top",
    )


def _waited_for(task: str) -> bool:
    """Whether somebody waits for what a task makes of accepted readings; the archive takes its time on purpose."""
    return task.endswith(f"<{ReadingsAccepted.stream}") and not task.startswith(f"{ARCHIVE}<")


async def _time(log: Recorded, place: Place, ordinal: int) -> int | None:
    """The event time of one event of a place; None when it is not there or cannot be read."""
    for entry in await log.range(place, ordinal, ordinal, count=1):
        for event in read(place, entry).events:
            if isinstance(event, ReadingsEvent):
                row = max(0, min(ordinal - entry.first, len(event) - 1))
                return int(event.readings.time[row])
            return event.time
    return None
