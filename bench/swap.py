"""Swapping models under load: is anything scored or stamped by a wrong bundle, and how long does a swap take.

    python -m bench.swap [--swaps 100] [--readings 1000000] [--pace 30000] [--json]

Readings stream into a real server while an alias is promoted to one bundle after the other. Afterwards every reading
is scored once more, offline, by the bundle that was in force where it stands. Limits: no wrong score or stamp; from a
ModelServed in the log to the commit behind it p95 under 200 ms; the swap itself and the first batch behind it, which
is what holds the partition up, under 50 ms (p95; the machine is shared, so the largest is noise of others, too).
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, ClassVar

import anyio
import numpy as np
import structlog

from agents.anomaly import Anomaly
from agents.numbering import numbered
from agents.parts import Context
from agents.runtime.home import Home
from agents.runtime.lanes.processing import ProcessorRunner
from agents.serving.watcher import Watcher
from bus.protocol import Bus, Commit, Place
from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from bus.scan import scan
from contracts.events import AnomalyDetected, ModelPromoted, ModelServed, ReadingsAccepted, ReadingsScored
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.readings import Readings, Series
from contracts.settings import BusSettings
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from models.detectors import score_batch
from tests.servers import running

PARTITIONS = 4
#: Few, so that detectors get past their warm-up between two swaps.
SERIES = 24
BATCH = 500
INPUT = ReadingsAccepted.stream
TASK = f"anomaly<{INPUT}"
KINDS: dict[str, dict[str, Any]] = {"records": {}, "mad": {}, "ewma": {}, "limits": {"high": 30.0}}


class Timed(Anomaly):
    """The agent, with the time of each call: whether it was a swap, milliseconds, and those of the processor."""

    calls: ClassVar[list[tuple[bool, float, float]]] = []

    def handle(self, event: ReadingsAccepted | ModelServed, state: Any) -> Iterator[Any]:
        begun, worked = perf_counter(), thread_time()
        found = list(super().handle(event, state))
        took, work = 1e3 * (perf_counter() - begun), 1e3 * (thread_time() - worked)
        self.calls.append((isinstance(event, ModelServed), took, work))
        yield from found


class Stopwatch:
    """A bus that notes when a ModelServed was written, and when the commit behind it was."""

    def __init__(self, inner: Bus) -> None:
        self.inner = inner
        self.written: dict[tuple[int, int], float] = {}
        self.switches: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def append(self, place: Place, frames: Any) -> int:
        last = await self.inner.append(place, frames)
        if place.stream == INPUT:
            self.written[place.partition, last] = perf_counter()
        return last

    async def commit(self, commit: Commit) -> None:
        await self.inner.commit(commit)
        if commit.task == TASK:
            now, position = perf_counter(), int(commit.position)
            for key in [key for key in self.written if key[0] == commit.partition and key[1] <= position]:
                self.switches.append(1e3 * (now - self.written.pop(key)))


@dataclass
class Run:
    """One run: what goes in, and what was measured."""

    bus: Any
    folder: Path
    swaps: int
    readings: int
    pace: float = 30_000.0
    settings: BusSettings = BusSettings(partitions=PARTITIONS)
    bundles: list[Bundle] = field(default_factory=list)
    fed: int = 0
    _positions: dict[int, int] = field(default_factory=dict)

    async def go(self) -> None:
        """Stream readings, and promote one bundle after the other, each after its share of the readings."""
        cache = BundleCache(self.folder)
        self.bundles = [builtin(kind, parameters) for kind, parameters in KINDS.items()]
        for bundle in self.bundles:
            cache.put(bundle)
        Timed.calls.clear()
        part = Timed(model="pump@live", scores=True)
        part.prepare(Context("anomaly", self.folder))
        home = Home(self.bus, "bench", self.settings)
        runner = ProcessorRunner(home, "anomaly", part, INPUT)
        watcher = Watcher(home, "anomaly", part, runner.lanes)
        async with anyio.create_task_group() as group:
            group.start_soon(runner.run)
            while len(runner.lanes) < PARTITIONS or any(not lane.opened for lane in runner.lanes.values()):  # noqa: ASYNC110 - plain values
                await anyio.sleep(0.01)
            group.start_soon(self._feed)
            # The first bundle is the agent's own already.
            for number in range(1, self.swaps + 1):
                await self._until_fed(number * self.readings // (self.swaps + 1))
                wanted = self.bundles[number % len(self.bundles)].digest
                await self._promote(wanted, number)
                while any(part.in_force(lane.state).bundle != wanted for lane in runner.lanes.values()):
                    await watcher.look()
                    await anyio.sleep(0.002)
            await self._until_fed(self.readings)
            await self._caught_up()
            home.stop.set()

    async def _promote(self, digest: str, number: int) -> None:
        event = ModelPromoted.of(
            cause="bench", time=number, asset="registry", discriminator=str(number), name="pump", alias="live",
            model_version=str(number), bundle=digest,
        )  # fmt: skip
        place = Place(event.stream, home_of(event.stream, PARTITIONS))
        await self.bus.append(place, list(encode([event], "bench")))

    async def _until_fed(self, count: int) -> None:
        while self.fed < count:  # noqa: ASYNC110 - a plain value
            await anyio.sleep(0.002)

    async def _feed(self) -> None:
        names = [Series("plant", f"m{number // 2}", f"c{number % 2}") for number in range(SERIES)]
        chance, begun = np.random.default_rng(1), perf_counter()
        where = np.array([partition_of(series.asset, PARTITIONS) for series in names])
        size = BATCH * PARTITIONS
        while self.fed < self.readings:
            values = chance.normal(10, 1, size)
            values[chance.random(size) < 0.002] += 30
            number = self.fed + np.arange(size)
            given = Readings.of(names, number % SERIES, number * 10**9, values, number)
            for partition in range(PARTITIONS):
                await self._put(partition, given.take(np.flatnonzero(where[given.code] == partition)))
            self.fed += size
            await anyio.sleep(max(0.0, begun + self.fed / self.pace - perf_counter()))

    async def _put(self, partition: int, readings: Readings) -> None:
        frames = [(INPUT, frame) for frame in encode([ReadingsAccepted(readings)], "validation<readings.acquired")]
        at = self._positions.get(partition, 0)
        await self.bus.commit(Commit(partition, "feeder", 1, str(at or ""), str(at + 1), frames))
        self._positions[partition] = at + 1

    async def _caught_up(self) -> None:
        places = [Place(INPUT, number) for number in range(PARTITIONS)]
        for place, end in (await self.bus.ends(places)).items():
            while int(await self.bus.position(place.partition, TASK) or 0) < end:  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.01)

    async def checked(self) -> dict[str, int]:
        """Score everything again, offline: how much there was, and how much of it was wrong."""
        found = {"readings": 0, "alarming": 0, "findings": 0, "served": 0, "wrong_scores": 0, "wrong_stamps": 0}
        for partition in range(PARTITIONS):
            expected, bundle_at = await self._expected(partition, found)
            scored = [
                event.readings.value
                async for entry in scan(self.bus, Place(ReadingsScored.stream, partition))
                for event in entry.events
                if isinstance(event, ReadingsScored)
            ]
            values = np.concatenate(scored) if scored else np.zeros(0)
            found["alarming"] += int((values > 0.4).sum())
            found["wrong_scores"] += abs(len(values) - len(expected)) + int(
                (values[: len(expected)].view(np.int64) != expected[: len(values)].view(np.int64)).sum()
            )
            async for entry in scan(self.bus, Place(AnomalyDetected.stream, partition)):
                for event in entry.events:
                    if isinstance(event, AnomalyDetected):
                        found["findings"] += 1
                        found["wrong_stamps"] += event.bundle != bundle_at[event.evidence.last]
        return found

    async def _expected(self, partition: int, found: dict[str, int]) -> tuple[Any, dict[int, str]]:
        """The scores of a partition, each by the bundle in force, and ordinal -> its digest."""
        by_digest = {bundle.digest: bundle for bundle in self.bundles}
        digest, names, scores, bundle_at = self.bundles[0].digest, dict[str, int](), [], dict[int, str]()
        detector: Any = by_digest[digest].detector()
        state = detector.start()
        async for entry in scan(self.bus, Place(INPUT, partition)):
            for event in entry.events:
                if isinstance(event, ModelServed):
                    found["served"] += 1
                    if event.bundle != digest:
                        digest, detector = event.bundle, by_digest[event.bundle].detector()
                        state = detector.start()
                elif isinstance(event, ReadingsAccepted):
                    readings = event.readings
                    rows = numbered(names, readings)
                    detector.grow(state, len(names))
                    scores.append(score_batch(detector, state, rows, readings.time, readings.value).score)
                    bundle_at.update(dict.fromkeys(range(readings.first, readings.last + 1), digest))
                    found["readings"] += len(readings)
        return np.concatenate(scores) if scores else np.zeros(0), bundle_at


def pauses(column: int) -> tuple[list[float], list[float]]:
    """Milliseconds that swaps held a partition up, with the first batch behind each; and those of other batches.

    ``column`` 1: as time went by; 2: of the processor, which others on the machine do not disturb.
    """
    held, others, after = list[float](), list[float](), False
    for call in Timed.calls:
        if call[0]:
            held.append(call[column])
        elif after:
            held[-1] += call[column]
        else:
            others.append(call[column])
        after = call[0]
    return held, others


async def measured(swaps: int, readings: int, pace: float, url: str, folder: Path) -> dict[str, Any]:
    """One run on an empty server, and its figures."""
    bus = RedisBus(connect(url), PARTITIONS)
    watch = Stopwatch(bus)
    run = Run(watch, folder, swaps, readings, pace)
    begun = perf_counter()
    await run.go()
    took = perf_counter() - begun
    found = await run.checked()
    (held, others), (worked, others_worked) = pauses(1), pauses(2)
    await bus.close()
    return {
        "swaps": swaps,
        **found,
        "readings_per_s": round(found["readings"] / took),
        "switch_p95_ms": round(float(np.percentile(watch.switches, 95)), 1),
        "switch_max_ms": round(max(watch.switches), 1),
        "pause_p95_ms": round(float(np.percentile(held, 95)), 1),
        "pause_max_ms": round(max(held), 1),
        "pause_cpu_p95_ms": round(float(np.percentile(worked, 95)), 1),
        "pause_cpu_max_ms": round(max(worked), 1),
        "other_batches_cpu_p95_ms": round(float(np.percentile(others_worked, 95)), 1),
        "other_batches_p95_ms": round(float(np.percentile(others, 95)), 1),
        "other_batches_max_ms": round(max(others), 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.swap", description=__doc__.partition("\n")[0])
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--pace", type=float, default=30_000.0, help="readings per second")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with running("valkey") as server, tempfile.TemporaryDirectory() as name:
        found = anyio.run(measured, asked.swaps, asked.readings, asked.pace, server.url, Path(name))
    if asked.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:>22}  {value:,}")
    limits = found["switch_p95_ms"] < 200 and found["pause_p95_ms"] < 50
    return 0 if limits and not found["wrong_scores"] and not found["wrong_stamps"] else 1


if __name__ == "__main__":
    sys.exit(main())
