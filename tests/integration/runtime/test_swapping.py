"""Models are swapped while readings stream through a real server."""

from pathlib import Path
from typing import Any

import pytest

from agents.parts import Context
from agents.runtime.lanes.comparison import Comparison
from agents.runtime.lanes.lane import Lane
from bench.swap import INPUT, KINDS, PARTITIONS, TASK, Run, Timed
from bus.protocol import Place, Snapshot
from bus.redis.bus import RedisBus
from contracts.settings import BusSettings
from models.bundle import builtin
from tests.unit.runtime.counting import home

SETTINGS = BusSettings(partitions=PARTITIONS, snapshot_s=1000.0)


class FromTheBeginning:
    """A bus on which only the first states are kept."""

    def __init__(self, inner: RedisBus) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def snapshots(self, partition: int, task: str) -> list[Snapshot]:
        return [each for each in await self.inner.snapshots(partition, task) if each.position == "0"]


async def test_every_reading_is_scored_and_stamped_by_the_bundle_that_the_log_says(
    redis_bus: RedisBus, tmp_path: Path
) -> None:
    run = Run(redis_bus, tmp_path, swaps=10, readings=36_000, pace=20_000.0, settings=SETTINGS)
    await run.go()
    found = await run.checked()
    assert found["readings"] == 36_000
    assert found["served"] == 10 * PARTITIONS
    assert found["alarming"] >= found["findings"] > 10
    assert (found["wrong_scores"], found["wrong_stamps"]) == (0, 0)

    # A recovery through all of the swaps gives what was committed, or it would be refused as diverged.
    part = Timed(model="pump@live", scores=True)
    part.prepare(Context("anomaly", tmp_path))
    for partition in range(PARTITIONS):
        lane = Lane(home(FromTheBeginning(redis_bus)), part, TASK, Place(INPUT, partition), 1 << 30)
        await lane.open()
        if lane.position:
            assert isinstance(lane._recovery._comparison, Comparison)
            assert part.in_force(lane.state).bundle == builtin(list(KINDS)[10 % len(KINDS)]).digest


@pytest.mark.soak
async def test_a_hundred_swaps_over_a_million_readings(redis_bus: RedisBus, tmp_path: Path) -> None:
    run = Run(redis_bus, tmp_path, swaps=100, readings=1_000_000)
    await run.go()
    found = await run.checked()
    assert found["served"] == 100 * PARTITIONS
    assert (found["wrong_scores"], found["wrong_stamps"]) == (0, 0)
