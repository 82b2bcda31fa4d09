"""Partitions on which a task stands still, because what it computed again is not what it had committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bus.protocol import Bus, Place, Recorded
from bus.scan import backwards, scan
from contracts.events import PartitionStopped

#: Nobody lets a partition stand for more events of the life cycle than that.
_MOST_EVENTS = 20_000


@dataclass(frozen=True)
class Standstill:
    """A task that told why it does not go on, and has not moved since."""

    partition: int
    event: PartitionStopped


class Stops:
    """As ``standing_still``, for whoever looks again and again: each event is read once."""

    def __init__(self) -> None:
        self._next: dict[Place, int] = {}
        self._newest: dict[tuple[int, str], PartitionStopped] = {}

    async def refresh(self, recorded: Recorded) -> None:
        """Read what came since the last time."""
        places = [Place(PartitionStopped.stream, number) for number in range(recorded.partitions)]
        for place, end in (await recorded.ends(places)).items():
            async for found in scan(recorded, place, self._next.get(place, 1), end):
                for event in found.events:
                    if isinstance(event, PartitionStopped):
                        self._newest[place.partition, event.agent] = event
            self._next[place] = end + 1

    def still(self, positions: Sequence[Mapping[str, str]]) -> list[Standstill]:
        """Those that have not moved since; ``positions`` of each partition."""
        return [
            Standstill(partition, event)
            for (partition, task), event in self._newest.items()
            if int(positions[partition].get(task) or 0) == event.position
        ]


async def standing_still(bus: Bus) -> list[Standstill]:
    """Every task and partition that stands still; the newest reason of each."""
    found: list[Standstill] = []
    for partition in range(bus.partitions):
        newest = await _newest(bus, partition)
        positions = await bus.positions(partition) if newest else {}
        found += [
            Standstill(partition, event)
            for task, event in newest.items()
            if int(positions.get(task) or 0) == event.position
        ]
    return found


async def _newest(bus: Bus, partition: int) -> dict[str, PartitionStopped]:
    newest: dict[str, PartitionStopped] = {}
    last = 0
    async for found in backwards(bus, Place(PartitionStopped.stream, partition)):
        last = last or found.entry.last
        for event in found.events:
            if isinstance(event, PartitionStopped):
                newest.setdefault(event.agent, event)
        if last - found.entry.first > _MOST_EVENTS:
            break
    return newest
