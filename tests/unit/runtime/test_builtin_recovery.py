"""Every processor that is shipped recovers from the very beginning, compared with what it had committed."""

import numpy as np

from agents.parts import Context, Processor
from agents.runtime.lanes.comparison import Comparison
from agents.runtime.lanes.lane import Lane
from agents.topology import Topology
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.readings import Readings, Series
from contracts.settings import load
from tests.unit.runtime.counting import feed, home, story

ROWS = 6_000


def machines() -> Readings:
    """Two machines: noise, a jump, a spike, a stuck stretch, values that are not numbers, a gap."""
    rows, chance = np.arange(ROWS, dtype=np.int64), np.random.default_rng(3)
    values = chance.normal(10, 1, ROWS)
    values[2_000:2_010] += 40
    values[3_000:] += 6
    values[4_000:4_400] = 7.0
    values[::501] = np.nan
    times = rows * 1_000_000_000 + (rows > 5_000) * 3_600_000_000_000
    return Readings.of([Series("plant", f"m{n}", "temp") for n in range(2)], rows % 2, times, values, rows)


async def test_no_shipped_processor_raises_a_false_alarm() -> None:
    settings, file = load()
    topology = Topology.of(settings, file)
    bus, tasks = MemoryBus(1), []
    await feed(bus, machines(), 300)
    surroundings = home(bus, read_events=1_500, snapshot_s=1000.0)
    parts = [(item, item.part) for item in topology.placed if isinstance(item.part, Processor)]
    for item, part in parts:
        part.prepare(Context(agent=item.agent, data_dir=settings.data_dir))
        for stream in topology.inputs(part):
            place, task = Place(stream, 0), f"{item.name}<{stream}"
            lane = Lane(surroundings, part, task, place, 1)
            await lane.open()
            while found := (await bus.read({place: lane.position}, count=3)).get(place):
                await lane.step_or_bury(found)
            tasks.append((part, task, place, lane.position))
    written = {stream for stream in ("readings.accepted", "incidents", "anomalies") if await story(bus, stream)}
    assert written == {"readings.accepted", "incidents", "anomalies"}
    told = await bus.ends([Place(name, 0) for name in written])
    for part, task, place, position in tasks:
        assert [snapshot.position for snapshot in await bus.snapshots(0, task)] == ["0"]
        again = Lane(surroundings, part, task, place, 2)
        await again.open()
        assert again.position == position
        assert not position or isinstance(again._recovery._comparison, Comparison), "it was compared"
    assert await bus.ends(list(told)) == told
