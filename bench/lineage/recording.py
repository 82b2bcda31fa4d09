"""How fast findings go from the log into finished, verified runs."""

from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import anyio.to_thread

from agents.coordinator.lineage import LineageRecorder
from agents.coordinator.segments import Lane, Segment, packed
from agents.parts import Context
from agents.runtime.home import Home
from agents.runtime.recording import RecorderRunner
from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from bus.redis import open_bus
from console.options import Choices
from contracts.events import AnomalyDetected
from contracts.frames import encode
from models.tracking import Store, connect

from .made import SEGMENT, finding


async def recording(folder: Path, total: int) -> dict[str, Any]:
    """Findings a second through the real loop, and what the plain client does."""
    server = EmbeddedServer(folder / "redis")
    server.start()
    loaded = Choices(data_dir=folder, redis=server.url).load()
    try:
        bus = await open_bus(loaded.settings, server.url, store_file=folder / "store-id")
        each = total // bus.partitions
        recorder = LineageRecorder()
        recorder.prepare(Context("coordinator", folder))
        # The import and the migration of the store are no part of it.
        tracking = await anyio.to_thread.run_sync(lambda: connect(Store.local(folder)))
        for partition in range(bus.partitions):
            events = [finding(partition, n, "b" * 64) for n in range(1, each + 1)]
            await bus.append(Place(AnomalyDetected.stream, partition), list(encode(events, "anomaly")))
        plain = await anyio.to_thread.run_sync(lambda: _plain(folder, tracking, each))
        rate = await _through(bus, recorder, each)
        await bus.close()
    finally:
        server.stop()
    return {"findings_a_second": round(rate), "plain_client": round(plain), "share": round(rate / plain, 2)}


async def _through(bus: Bus, recorder: LineageRecorder, each: int) -> float:
    home = Home(bus, "bench")
    runner = RecorderRunner(home, "coordinator.lineage", recorder, AnomalyDetected.stream)
    places = [Place(AnomalyDetected.stream, number) for number in range(bus.partitions)]
    begun = perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        while True:
            positions = [await bus.position(place.partition, runner.task) for place in places]
            if all(int(position or 0) == each for position in positions):
                break
            await anyio.sleep(0.02)
        took = perf_counter() - begun
        home.stop.set()
    return each * bus.partitions / took


def _plain(folder: Path, tracking: Any, each: int) -> float:
    """Findings a second of create run, upload, end: eight runs of a segment."""
    count = min(SEGMENT, each)
    body = packed(
        Segment(Lane("s", "anomalies", 0), 1, count, [finding(0, n, "b" * 64) for n in range(1, count + 1)]).body
    )
    experiment = tracking.experiment("plain")
    path = folder / "findings.ndjson.gz"
    path.write_bytes(body)
    begun = perf_counter()
    for number in range(8):
        run = tracking.client.create_run(experiment, None, {}, f"plain {number}")
        tracking.client.log_artifact(run.info.run_id, str(path))
        tracking.client.set_terminated(run.info.run_id, "FINISHED")
    return 8 * count / (perf_counter() - begun)
