"""The recorder is killed again and again while findings come: every finding is in one finished run, none in two."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from bus.scan import scan
from contracts.events import LineageRecorded
from tests.integration.lineage import worker
from tests.integration.lineage.runs import finished, ids
from tests.integration.mlflow_stores import local_store
from tests.servers import LiveServer


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_killed_again_and_again_every_finding_is_recorded_once(
    rounds: int, tmp_path: Path, template: Path, new_server: Callable[[str], LiveServer]
) -> None:
    server = new_server("valkey")
    for data_dir in (tmp_path, tmp_path / "warm"):
        local_store(data_dir, template)
    program = [sys.executable, "-m", "tests.integration.lineage.worker"]
    command = [*program, server.url, tmp_path, tmp_path / "warm", rounds, 7]
    said = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True, timeout=60 + 6 * rounds)
    assert int(said.stdout) > rounds // 2, "hardly any was killed at work: the test shows nothing"

    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    last = rounds * worker.EACH
    wanted = [worker.finding(partition, n).id for partition in range(2) for n in range(1, last + 1)]
    assert Counter(ids(uri)) == Counter(wanted)
    # The receipts name each run, and together the whole range.
    runs = {
        run.info.run_id: (int(run.data.tags["tocsin.first"]), int(run.data.tags["tocsin.last"]))
        for run in finished(uri)
    }
    told = anyio.run(receipts, server.url)
    assert {event.run_id: (event.first, event.last) for event in told} == runs
    assert len(told) == len(runs)


async def receipts(url: str) -> list[LineageRecorded]:
    """All that the log tells of recording."""
    bus = RedisBus(Server(url), worker.PARTITIONS)
    found = [
        event
        for partition in range(worker.PARTITIONS)
        async for each in scan(bus, Place(LineageRecorded.stream, partition))
        for event in each.events
        if isinstance(event, LineageRecorded)
    ]
    await bus.close()
    return found
