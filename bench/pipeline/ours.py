"""The whole pipeline as it runs in service: a real embedded server, and the agents in three processes."""

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
from bus.redis import RedisBus, Server
from contracts.identity import partition_of

from .alerts import Alerts
from .feed import HANDED_KEY, LAST, RATE_KEY, asset_of, done
from .processes import Memory, processor

ROOT = Path(__file__).resolve().parents[2]
#: Agents by process. Alerts are sooner there when drift, which nobody waits for, has a process of its own.
PROCESSES = {"source": ("feed",), "alerts": ("validation", "anomaly"), "drift": ("drift",)}
PARTITIONS = 2
_POLL_S = 0.1
_START_S = 180.0
_SETTLE_S = 1.0
_LEAST_SHARE = 0.4
_PROGRESS_S = 10.0
#: A drift reference is 1,000 readings; the work is the full one after that.
WARM_ROWS = 1_100


@dataclass(frozen=True)
class Plan:
    """How long each part is measured, and at which rate the second: ``rate``, at most ``rate_share`` of the first."""

    series: int = 1_000
    saturated_s: float = 10.0
    paced_s: float = 8.0
    rate: float = float("inf")
    rate_share: float = 1 / 3
    plant_every: int = 10
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
    """What was seen: as fast as it goes, then at a fixed rate.

    latencies: ms from handing a reading over to its alert in the log, at the fixed rate; memory: from the beginning
    to the end of both.
    """

    readings_per_s: float = 0.0
    saturated_s: float = 0.0
    #: Of each second or so.
    slices: list[float] = field(default_factory=list)
    processor_s: dict[str, float] = field(default_factory=dict)
    alert_rate: float = 0.0
    paced_s: float = 0.0
    paced_slices: list[float] = field(default_factory=list)
    paced_processor_s: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)


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
                "plant_every": plan.plant_every,
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
    bus, out, begun, memory = RedisBus(Server(url), PARTITIONS), Measured(), time.perf_counter(), Memory(pids)
    try:
        await _reach(bus, plan.series)
        plan = plan.fitted(time.perf_counter() - begun)
        await _saturated(bus, plan, memory, out)
        out.alert_rate = round(min(plan.rate, out.readings_per_s * plan.rate_share), -3)
        await bus._server.call("SET", RATE_KEY, str(out.alert_rate))
        await _drained(bus, plan.series)
        await _paced(bus, plan, memory, out)
    finally:
        await bus.close()
    out.memory = memory.told()
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


async def _saturated(bus: RedisBus, plan: Plan, memory: Memory, out: Measured) -> None:
    """As many readings as are taken."""
    parts, cpu = max(2, int(plan.saturated_s)), processor(memory.pids)
    marks = [(time.perf_counter(), await done(bus))]
    for _ in range(parts):
        memory.look(server_data=await _data(bus))
        await anyio.sleep(plan.saturated_s / parts)
        marks.append((time.perf_counter(), await done(bus)))
    out.slices, out.saturated_s = _rates(marks), marks[-1][0] - marks[0][0]
    out.readings_per_s = (marks[-1][1] - marks[0][1]) / out.saturated_s
    out.processor_s = _since(cpu, memory.pids)


async def _drained(bus: RedisBus, series: int) -> None:
    """Wait until all that was under way when the rate was set is done."""
    await anyio.sleep(_SETTLE_S)
    first, count, _ = await _handed_last(bus)
    with anyio.fail_after(_START_S):
        while await done(bus) < (first + count) * series:  # noqa: ASYNC110 - nobody tells it
            await anyio.sleep(_POLL_S)


async def _handed_last(bus: RedisBus) -> list[int]:
    return [int(part) for part in (await bus._server.call("LINDEX", HANDED_KEY, -1)).split()]


async def _paced(bus: RedisBus, plan: Plan, memory: Memory, out: Measured) -> None:
    """As many readings as were asked for, and their alerts."""
    parts, cpu, alerts = max(2, int(plan.paced_s)), processor(memory.pids), Alerts(bus)
    await alerts.start()
    marks, told = [(time.perf_counter(), await done(bus))], time.perf_counter()
    for _ in range(parts):
        await alerts.read(plan.paced_s / parts)
        memory.look(server_data=await _data(bus))
        marks.append((time.perf_counter(), await done(bus)))
        if marks[-1][0] - told >= _PROGRESS_S:
            told = marks[-1][0]
            _progress(marks, out.alert_rate, alerts.latencies, memory)
    out.paced_slices, out.paced_s = _rates(marks), marks[-1][0] - marks[0][0]
    out.paced_processor_s = _since(cpu, memory.pids)
    out.latencies = sorted(alerts.latencies)


async def _data(bus: RedisBus) -> float:
    """MB that the server uses: it keeps what it once had from the system, so its resident memory only rises."""
    for line in bytes(await bus._server.call("INFO", "memory")).split(b"\r\n"):
        if line.startswith(b"used_memory:"):
            return int(line.partition(b":")[2]) / 1e6
    return 0.0


def _progress(marks: list[tuple[float, int]], rate: float, latencies: list[float], memory: Memory) -> None:
    """A line to stderr: how far, how fast, how far behind, how late, how large."""
    spent, count = marks[-1][0] - marks[0][0], marks[-1][1] - marks[0][1]
    late = sorted(latencies)
    p99 = f"{late[int(len(late) * 0.99)]:,.0f} ms" if late else "none yet"
    size = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in memory.mb.items())
    print(
        f"  {spent:5,.0f} s  {count / spent:,.0f} of {rate:,.0f} readings/s  alerts p99 {p99}  MB: {size}",
        file=sys.stderr,
        flush=True,
    )


def _rates(marks: list[tuple[float, int]]) -> list[float]:
    return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(marks)]


def _since(before: dict[str, float], pids: dict[str, int]) -> dict[str, float]:
    return {name: spent - before[name] for name, spent in processor(pids).items()}
