"""The whole pipeline as it runs in service: a real embedded server, and the agents in three processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import yaml

from bus.embedded import EmbeddedServer, tie_to_parent
from bus.protocol import Place
from bus.redis import RedisBus, Server
from contracts.events import AnomalyDetected
from contracts.frames import decode_all
from contracts.identity import partition_of

from .feed import HANDED_KEY, LAST, RATE_KEY, START_NS, STEP_NS, asset_of, done

ROOT = Path(__file__).resolve().parents[2]
#: Agents by process. Alerts are sooner there when drift, which nobody waits for, has a process of its own.
PROCESSES = {"source": ("feed",), "alerts": ("validation", "anomaly"), "drift": ("drift",)}
PARTITIONS = 2
_POLL_S = 0.1
_START_S = 180.0
_SETTLE_S = 1.0
_LEAST_SHARE = 0.4
#: A drift reference is 1,000 readings; the work is the full one after that.
WARM_ROWS = 1_100


@dataclass(frozen=True)
class Plan:
    """How long each part is measured."""

    series: int = 1_000
    saturated_s: float = 10.0
    paced_s: float = 8.0
    rate_share: float = 1 / 3
    maxmemory_mb: int = 4096
    keep_events: int = 200_000
    most_s: float = float("inf")

    def fitted(self, spent_s: float) -> "Plan":
        """The plan with shorter measurements where the start took so long that they would exceed ``most_s``."""
        wanted = self.saturated_s + self.paced_s
        share = min(1.0, max(_LEAST_SHARE, (self.most_s - spent_s - _SETTLE_S) / wanted))
        return replace(self, saturated_s=share * self.saturated_s, paced_s=share * self.paced_s)


@dataclass
class Measured:
    """What was seen.

    latencies: ms from handing a reading over to its alert in the log. memory: resident MB by process, at some times
    from the beginning to the end of what was measured.
    """

    readings_per_s: float = 0.0
    saturated_s: float = 0.0
    #: Of each second or so.
    slices: list[float] = field(default_factory=list)
    alert_rate: float = 0.0
    latencies: list[float] = field(default_factory=list)
    memory: dict[str, list[float]] = field(default_factory=dict)
    processor_s: dict[str, float] = field(default_factory=dict)


def config(url: str, plan: Plan) -> dict[str, Any]:
    """The configuration of the service: defaults, but for the source and the clock that its times do not follow."""
    far = 86_400
    return {
        "bus": {"partitions": PARTITIONS},
        "log": {"level": "warning"},
        "archive": {"keep_events": plan.keep_events, "every_s": 5.0},
        "agents": {
            "feed": {
                "kind": "bench.pipeline.feed:Feed", "url": url, "partitions": PARTITIONS, "series": plan.series,
            },
            "validation": {"future_s": far, "freshness_s": far * 365},
            "anomaly": {},
            "drift": {},
        },
    }  # fmt: skip


@contextmanager
def service(folder: Path, plan: Plan) -> Iterator[tuple[str, dict[str, int]]]:
    """The service in ``folder``: its server's URL, and process numbers by name."""
    with EmbeddedServer(folder / "r", maxmemory_mb=plan.maxmemory_mb) as server:
        (folder / "tocsin.yaml").write_text(yaml.safe_dump(config(server.url, plan)))
        started = {name: _started(folder, server.url, name, agents) for name, agents in PROCESSES.items()}
        try:
            yield server.url, {"server": server.pid, **{name: process.pid for name, process in started.items()}}
        finally:
            for process in started.values():
                process.terminate()
            for process in started.values():
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _started(folder: Path, url: str, name: str, agents: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "console.cli", "up", *agents, "--config", str(folder / "tocsin.yaml")]
    command += ["--data-dir", str(folder / "data"), "--owner", f"bench/0/{name}", "--redis", url]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log,
            preexec_fn=tie_to_parent(),  # noqa: PLW1509 - two system calls, nothing that a thread could hold
        )  # fmt: skip


async def measured(url: str, pids: dict[str, int], plan: Plan) -> Measured:
    """Warm up, go as fast as it can, then at a fixed rate below that."""
    bus, out, begun = RedisBus(Server(url), PARTITIONS), Measured(), time.perf_counter()
    try:
        await _reach(bus, plan.series)
        plan = plan.fitted(time.perf_counter() - begun)
        out.memory, cpu = {name: [] for name in pids}, processor(pids)
        out.slices, out.saturated_s = await _saturated(bus, plan.saturated_s, pids, out.memory), plan.saturated_s
        out.readings_per_s = sum(out.slices) / len(out.slices)
        out.processor_s = {name: spent - cpu[name] for name, spent in processor(pids).items()}
        out.alert_rate = round(out.readings_per_s * plan.rate_share, -3)
        await bus._server.call("SET", RATE_KEY, str(out.alert_rate))
        await _drained(bus, plan.series)
        settled = time.perf_counter_ns()
        out.latencies = await _latencies(bus, await _alerts(bus, plan.paced_s), settled)
        note_memory(pids, out.memory)
    finally:
        await bus.close()
    return out


async def _reach(bus: RedisBus, series: int) -> None:
    """Wait until each last task has seen ``WARM_ROWS`` rows in each partition: the work is the full one then."""
    assets = [partition_of(asset_of(number), PARTITIONS) for number in range(series)]
    with anyio.fail_after(_START_S):
        for partition in set(assets):
            wanted = WARM_ROWS * assets.count(partition)
            while await _least(bus, partition) < wanted:  # noqa: ASYNC110 - nobody tells it
                await anyio.sleep(_POLL_S)


async def _least(bus: RedisBus, partition: int) -> int:
    found = await bus.positions(partition)
    return min(int(found.get(task) or 0) for task in LAST)


async def _saturated(
    bus: RedisBus, seconds: float, pids: dict[str, int], resident: dict[str, list[float]]
) -> list[float]:
    """Readings per second of each of some equal parts of that time; looks at the memory at ten of them."""
    parts = max(2, int(seconds))
    marks = [(time.perf_counter(), await done(bus))]
    for number in range(parts):
        if number % max(1, parts // 10) == 0:
            note_memory(pids, resident)
        await anyio.sleep(seconds / parts)
        marks.append((time.perf_counter(), await done(bus)))
    return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(marks)]


async def _drained(bus: RedisBus, series: int) -> None:
    """Wait until all that was under way when the rate was set is done."""
    await anyio.sleep(_SETTLE_S)
    first, count, _ = await _handed_last(bus)
    with anyio.fail_after(_START_S):
        while await done(bus) < (first + count) * series:  # noqa: ASYNC110 - nobody tells it
            await anyio.sleep(_POLL_S)


async def _handed_last(bus: RedisBus) -> list[int]:
    return [int(part) for part in (await bus._server.call("LINDEX", HANDED_KEY, -1)).split()]


async def _alerts(bus: RedisBus, seconds: float) -> list[tuple[int, int]]:
    """Row of each alert that comes within that time, and when it could be read, in ns."""
    places = [Place(AnomalyDetected.stream, partition) for partition in range(PARTITIONS)]
    after, seen = await bus.ends(places), []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for place, entries in (await bus.read(after, count=500, block_s=0.1)).items():
            now = time.perf_counter_ns()
            after[place] = entries[-1].last
            found = [event for event in decode_all(entries) if isinstance(event, AnomalyDetected)]
            seen += [((event.time - START_NS) // STEP_NS, now) for event in found]
    return seen


async def _latencies(bus: RedisBus, seen: list[tuple[int, int]], begun: int) -> list[float]:
    """Milliseconds since the rows were handed over, for those that were since ``begun``; ascending."""
    handed: dict[int, int] = {}
    for item in await bus._server.call("LRANGE", HANDED_KEY, "-100000", "-1"):
        first, count, at = map(int, item.split())
        if at >= begun:
            handed.update(dict.fromkeys(range(first, first + count), at))
    return sorted((now - handed[row]) / 1e6 for row, now in seen if row in handed)


def note_memory(pids: dict[str, int], resident: dict[str, list[float]]) -> None:
    """Add the resident MB of each process."""
    for name, pid in pids.items():
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        resident[name].append(pages * os.sysconf("SC_PAGESIZE") / 1e6)


def processor(pids: dict[str, int]) -> dict[str, float]:
    """Processor seconds that each process has used."""
    stats = {name: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for name, pid in pids.items()}
    return {name: (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") for name, stat in stats.items()}
