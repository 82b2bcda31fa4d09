"""How fast `tocsin lineage` answers, and what its index costs."""

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from agents.coordinator.index.file import FOLDER
from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from bus.redis import open_bus
from console.lineage import walked
from console.options import Choices, Loaded
from console.past.record import of_log
from contracts.events import AnomalyDetected, LineageRecorded, ModelPublished, ReadingsAccepted
from contracts.frames import encode
from contracts.readings import Readings, Series
from models.bundle import builtin
from models.cache import BundleCache

from .made import READINGS, SECOND, SEGMENT, finding

ENTRY = 100
#: What is asked for besides findings and bundles.
REACH = {"model": "pumps", "series": "pump-1-7/flow", "readings": "readings.accepted/1:100-900"}


class _Host:
    """What a command's host is for an open log: a place, and where its identity is kept."""

    def __init__(self, server: EmbeddedServer, data_dir: Path) -> None:
        self.url, self.store_file = server.url, data_dir / "store-id"


async def fill(bus: Bus, first: int, last: int, bundles: Sequence[str]) -> None:
    """Findings ``first`` to ``last`` of every partition, with the receipts of those that are recorded."""
    for partition in range(bus.partitions):
        events = [finding(partition, n, bundles[n % len(bundles)]) for n in range(first, last + 1)]
        frames = [frame for n in range(0, len(events), ENTRY) for frame in encode(events[n : n + ENTRY], "anomaly")]
        for n in range(0, len(frames), 100):
            await bus.append(Place(AnomalyDetected.stream, partition), frames[n : n + 100])
        told = [
            LineageRecorded.of(
                cause=str(n), time=0, asset="coordinator", discriminator=f"{partition}:{n}", run_id=f"{n:032x}",
                findings="anomalies", first=n, last=min(n + SEGMENT - 1, last), digest="d" * 64,
            )
            for n in range(first, last + 1, SEGMENT)
        ]  # fmt: skip
        await bus.append(
            Place("lineage", partition), [frame for each in told for frame in encode([each], "coordinator")]
        )


async def begin(bus: Bus, bundles: Sequence[str]) -> None:
    """Readings that findings can name, and a version for every bundle."""
    count = 5_000
    for partition in range(bus.partitions):
        for first in range(0, READINGS, count):
            at = np.arange(first, first + count)
            series = tuple(Series("file", f"pump-{partition}-{n}", "flow") for n in range(50))
            readings = Readings.of(series, at % 50, at * SECOND, at / 7.0, at)
            await bus.append(Place(ReadingsAccepted.stream, partition), list(encode([ReadingsAccepted(readings)], "v")))
    for number, bundle in enumerate(bundles, 1):
        event = ModelPublished.of(
            cause=bundle, time=0, asset="c", name="pumps", model_version=str(number), bundle=bundle, run_id="r" * 32
        )
        await bus.append(Place("models", 0), list(encode([event], "coordinator")))


async def ask(loaded: Loaded, host: Any, names: Sequence[str]) -> list[float]:
    """Seconds per question, each with all that a command does once it is imported but for opening the log."""
    took = []
    async with of_log(loaded.settings, host) as record:
        for name in names:
            begun = perf_counter()
            found = await walked(record, loaded, name)
            took.append(perf_counter() - begun)
            # An answer without what it is about would be quick, too.
            assert found.get("readings") or found.get("findings"), name
    return took


async def asking(folder: Path, total: int, asks: int) -> dict[str, Any]:
    """Milliseconds per question at a tenth of the findings and at all of them, size and time of the index."""
    server = EmbeddedServer(folder / "redis", maxmemory_mb=8_000)
    server.start()
    loaded = Choices(data_dir=folder, redis=server.url).load()
    host = _Host(server, folder)
    made = builtin("ewma")
    BundleCache(folder).put(made)
    bundles = (made.digest, "b" * 64, "c" * 64)
    out: dict[str, Any] = {}
    try:
        bus = await open_bus(loaded.settings, server.url, store_file=host.store_file)
        await begin(bus, bundles)
        done = 0
        for share in (10, 1):
            each = total // share // bus.partitions
            await fill(bus, done + 1, each, bundles)
            out[f"{each * bus.partitions}"] = await asked(loaded, host, bus.partitions, each, bundles, asks)
            out[f"{each * bus.partitions}"]["indexed"] = (each - done) * bus.partitions
            done = each
        await bus.close()
        out["command_s"] = round(command(folder, server.url, finding(0, 1, bundles[1]).id), 2)
    finally:
        server.stop()
    return out


async def asked(
    loaded: Loaded, host: Any, partitions: int, each: int, bundles: Sequence[str], asks: int
) -> dict[str, Any]:
    """What questions cost with so many findings in each partition."""
    chance = random.Random(7)  # noqa: S311 - which alerts are asked for is no secret
    begun = perf_counter()
    await ask(loaded, host, [finding(0, 1, bundles[1]).id])
    indexing = perf_counter() - begun
    names = []
    for _ in range(asks):
        ordinal = chance.randint(1, each)
        names.append(finding(chance.randrange(partitions), ordinal, bundles[ordinal % len(bundles)]).id)
    http = await over_http(loaded, host, {"id": names[0], **REACH})
    whole, begins = await ask(loaded, host, names), await ask(loaded, host, [name[:16] for name in names[: asks // 4]])
    reach = {"bundle": bundles[1], **REACH}
    return {
        "indexing_s": round(indexing, 2),
        "bytes_an_alert": round(
            sum(p.stat().st_size for p in (loaded.settings.data_dir / FOLDER).iterdir()) / each / partitions, 1
        ),
        "id": told(whole),
        "beginning": told(begins),
        "reach": {kind: told(await ask(loaded, host, [name] * 5)) for kind, name in reach.items()},
        "http": http,
    }


async def over_http(loaded: Loaded, host: Any, wanted: dict[str, str]) -> dict[str, dict[str, float]]:
    """Milliseconds per answer of the HTTP interface, as JSON and as a page."""
    import httpx

    from console.api.application import Application

    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    found = {}
    try:
        transport = httpx.ASGITransport(Application(loaded.settings, bus).app())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for kind, name in wanted.items():
                for form, path in (("json", "/api/v1/lineage/"), ("page", "/lineage/")):
                    took = []
                    for _ in range(6):
                        begun = perf_counter()
                        (await client.get(path + name, timeout=60)).raise_for_status()
                        took.append(perf_counter() - begun)
                    found[f"{kind} {form}"] = told(took[1:])
    finally:
        await bus.close()
    return found


def told(took: list[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum, in milliseconds."""
    found = sorted(took)
    return {
        "p50": round(median(found) * 1e3, 1),
        "p95": round(found[int(len(found) * 0.95)] * 1e3, 1),
        "max": round(found[-1] * 1e3, 1),
    }


def command(folder: Path, url: str, name: str) -> float:
    """Median seconds of the whole command, interpreter and imports included."""
    took = []
    for _ in range(3):
        begun = perf_counter()
        line = [
            sys.executable,
            "-m",
            "console.cli",
            "lineage",
            name,
            "--json",
            "--data-dir",
            str(folder),
            "--redis",
            url,
        ]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        took.append(perf_counter() - begun)
    return median(took)
