"""Every recorded log comes out of this code as it came out then, however its readings are cut."""

from pathlib import Path

import pytest

from agents.parts import Context, Processor
from agents.replay.rerun import Rerun
from agents.topology import Topology
from bus.memory import MemoryBus
from bus.protocol import Commit
from bus.scan import FACTS
from console.export import log_rows
from contracts.events import ReadingsAcquired
from contracts.frames import encode
from contracts.settings import load as settings
from tests.histories.histories import FOLDER, acquired, load, portable

PARTITIONS = 8
HISTORIES = sorted(FOLDER.glob("*.jsonl.gz"))
SHIPPED = FOLDER.parent.parent / "config" / "default.yaml"


async def test_there_are_histories() -> None:
    assert HISTORIES


@pytest.mark.parametrize("cut", [13, 5000])
@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.name.partition(".")[0])
async def test_a_history_comes_out_as_it_did(path: Path, cut: int, tmp_path: Path) -> None:
    recorded = load(path)
    log = MemoryBus(PARTITIONS)
    topology = Topology.of(*settings(SHIPPED))
    topology.prepare(
        [item for item in topology.placed if isinstance(item.part, Processor)], Context("", tmp_path, live=False)
    )
    rerun = Rerun(topology, PARTITIONS)
    for partition in range(PARTITIONS):
        readings = acquired(recorded, partition).readings
        for number, part in enumerate(readings.cut(cut) if len(readings) else ()):
            frames = [("readings.acquired", frame) for frame in encode([ReadingsAcquired(part)], "acquisition")]
            await log.commit(Commit(partition, "source", 1, str(number or ""), str(number + 1), frames))
        await rerun.feed(log, partition, len(readings), lambda count: None)
    again = [portable(row) async for row in log_rows(rerun.bus, FACTS)]
    assert again == recorded
