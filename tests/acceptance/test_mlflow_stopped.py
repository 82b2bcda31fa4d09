"""MLflow stands still while findings come: the pipeline is as fast as before, and every finding is recorded after."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest

from bus.embedded import EmbeddedServer
from bus.protocol import Place
from bus.redis import open_bus
from bus.redis.bus import RedisBus
from bus.scan import scan
from console.options import Choices
from contracts.events import AnomalyDetected, LineageDelayed, ReadingsAccepted, ReadingsAcquired
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.readings import Readings, Series
from tests.integration.lineage.runs import ids
from tests.integration.lineage.worker import finding
from tests.integration.mlflow_stores import MlflowServer, served

from .commands import ROOT, TOCSIN, folder, wait_for

ASSET = "pump-1"
#: One after the other, so that both meet the same noise.
SLICES = 6
EACH = 10


class Load:
    """Readings one by one, each timed until validation has taken it; and findings beside them."""

    def __init__(self, bus: RedisBus) -> None:
        self.bus, self.partition = bus, partition_of(ASSET, bus.partitions)
        self.sent, self.found = 0, 0

    async def run(self, seconds: float) -> list[float]:
        """Seconds from the log of readings to that of accepted ones."""
        took, until = list[float](), time.monotonic() + seconds
        place = Place(ReadingsAccepted.stream, self.partition)
        while time.monotonic() < until:
            seen = (await self.bus.ends([place]))[place]
            begun = time.perf_counter()
            await self.bus.append(
                Place(ReadingsAcquired.stream, self.partition), list(encode([self._reading()], "push"))
            )
            while not await self.bus.read({place: seen}, count=1, block_s=5):
                pass
            took.append(time.perf_counter() - begun)
            await self._findings()
            await anyio.sleep(0.005)
        return took

    def _reading(self) -> ReadingsAcquired:
        self.sent += 1
        at = np.array([self.sent])
        series = [Series("push", ASSET, "flow")]
        return ReadingsAcquired(Readings.of(series, at * 0, at * 10**9, np.sin(at / 9.0), at))

    async def _findings(self) -> None:
        events = [finding(0, self.found + n) for n in range(1, EACH + 1)]
        self.found += EACH
        await self.bus.append(Place(AnomalyDetected.stream, 0), list(encode(events, "test")))


async def behind(bus: RedisBus) -> int:
    """Findings that are not recorded."""
    place = Place(AnomalyDetected.stream, 0)
    return (await bus.ends([place]))[place] - int(await bus.position(0, "coordinator.lineage<anomalies") or 0)


async def told(bus: RedisBus) -> list[str]:
    """What was told of delays, in order."""
    found = scan(bus, Place(LineageDelayed.stream, 0))
    return [e.state async for each in found for e in each.events if isinstance(e, LineageDelayed)]


async def measured(bus: RedisBus, mlflow: MlflowServer, minutes: float) -> dict[str, list[float]]:
    """Latencies with MLflow and while it stands still, in turns; at the end everything is recorded, once."""
    load = Load(bus)
    await load.run(20)
    took: dict[str, list[float]] = {"up": [], "down": []}
    for number in range(SLICES):
        down = number % 2 == 1
        mlflow.signal(signal.SIGSTOP if down else signal.SIGCONT)
        took["down" if down else "up"] += await load.run(minutes * 60 / SLICES)
    assert await behind(bus) > 0, "MLflow was not away"
    mlflow.signal(signal.SIGCONT)
    with anyio.fail_after(300):
        while await behind(bus) or (await told(bus))[-1:] != ["caught up"]:  # noqa: ASYNC110 - it is in the log
            await anyio.sleep(0.2)
    states = await told(bus)
    assert states == ["delayed", "caught up"] * (len(states) // 2), states
    wanted = [finding(0, n).id for n in range(1, load.found + 1)]
    assert Counter(await anyio.to_thread.run_sync(ids, mlflow.url)) == Counter(wanted)
    return took


@pytest.mark.soak
@pytest.mark.parametrize("minutes", [3, 30])
def test_the_pipeline_does_not_notice_and_nothing_is_lost_or_doubled(minutes: int, tmp_path: Path) -> None:
    template = tmp_path / "template"
    with ExitStack() as stack:
        base = stack.enter_context(folder())
        server = stack.enter_context(EmbeddedServer(base / "server"))
        mlflow = stack.enter_context(served(tmp_path / "mlflow", template))
        config = base / "tocsin.yaml"
        # The test itself stands for what is not started.
        agents = {
            "acquisition": {"sources": {"push": {"kind": "http"}}},
            "validation": {},
            "anomaly": {},
            "coordinator": {"late_after_s": 10},
        }
        config.write_text(json.dumps({"agents": agents, "mlflow": {"uri": mlflow.url, "timeout_s": 4}}))
        shared = ("--config", config, "--data-dir", base / "d", "--redis", server.url)
        # Into a file: a pipe that nobody reads is full after an outage, and whoever writes to it stands still.
        log = stack.enter_context((base / "daemons.log").open("ab"))
        daemons = [
            subprocess.Popen([*TOCSIN, "up", name, *map(str, shared)], stdout=log, stderr=log, cwd=ROOT)
            for name in ("validation", "coordinator")
        ]
        wait_for((base / "d" / "store-id").exists)
        settings = Choices(config=config, data_dir=base / "d", redis=server.url).load().settings
        # A machine that stands still for some seconds shows in the figures; it must not end the test.
        patient = settings.redis.model_copy(update={"timeout_s": 60.0})
        settings = settings.model_copy(update={"redis": patient})

        async def go() -> dict[str, list[float]]:
            bus = await open_bus(settings, server.url, store_file=base / "d" / "store-id")
            try:
                return await measured(bus, mlflow, minutes)
            finally:
                await bus.close()

        took = anyio.run(go)
        for daemon in daemons:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)
    up, down = (float(np.percentile(took[name], 99)) * 1e3 for name in ("up", "down"))
    found = (
        f"p99 {up:.2f} ms with MLflow, {down:.2f} ms without, of {len(took['up'])} and {len(took['down'])} readings\n"
    )
    sys.stderr.write(found)
    # A change of less than half a millisecond is none that this clock could tell.
    assert down < up * 1.05 + 0.5, found
