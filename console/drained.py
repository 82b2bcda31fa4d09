"""Whether everything that was read has gone all the way through."""

from agents.parts import Processor, Recorder, Sink
from agents.topology import Topology
from bus.protocol import Bus, Place
from bus.scan import scan
from contracts.events import SourceFinished


async def behind(bus: Bus, topology: Topology) -> dict[str, int]:
    """Task -> events that it has not finished yet; only tasks that are behind."""
    out: dict[str, int] = {}
    for item in topology.placed:
        for stream in topology.inputs(item.part):
            places = [Place(stream, number) for number in range(bus.partitions)]
            ends = await bus.ends(places)
            if isinstance(item.part, Sink):
                done = await bus.settled(item.name, places)
            elif isinstance(item.part, Processor | Recorder):
                task = f"{item.name}<{stream}"
                done = {place: int(await bus.position(place.partition, task) or 0) for place in places if ends[place]}
            else:
                continue
            missing = sum(end - done.get(place, 0) for place, end in ends.items() if end)
            if missing:
                out[f"{item.name}<{stream}"] = missing
    return out


async def drained(bus: Bus, topology: Topology) -> bool:
    """Whether nothing is on its way.

    Looked at twice: a task that was seen done may be given more by one that was seen later.
    """
    return not await behind(bus, topology) and not await behind(bus, topology)


async def finished(bus: Bus, source: str) -> bool:
    """Whether a source said that it reached its end."""
    for number in range(bus.partitions):
        async for found in scan(bus, Place(SourceFinished.stream, number)):
            if any(isinstance(event, SourceFinished) and event.source == source for event in found.events):
                return True
    return False
