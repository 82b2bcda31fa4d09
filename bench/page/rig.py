"""A real log, a real ``tocsin api`` before it, a real Chromium before that."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bus.embedded import EmbeddedServer
from bus.protocol import Bus, Place
from bus.redis import open_bus
from contracts.events import ReadingsAccepted
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.readings import Readings, Series
from contracts.settings import Settings

from ..listening import wait_for

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@dataclass
class Rig:
    """What is measured: the log that is written to, and where the page is."""

    bus: Bus
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory_mb(self) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        parts = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


class Plant:
    """Series of some assets, each partition's together: what an agent would commit at once."""

    def __init__(self, rig: Rig, assets: int, channels: int) -> None:
        self._bus, self._position = rig.bus, 0
        names = [Series("bench", f"machine-{a:04d}", f"sensor-{c:02d}") for a in range(assets) for c in range(channels)]
        self.names = [series.name for series in names]
        self._parts: dict[int, tuple[Series, ...]] = {}
        for number in range(rig.bus.partitions):
            own = tuple(series for series in names if partition_of(series.asset, rig.bus.partitions) == number)
            if own:
                self._parts[number] = own
        self.written: dict[str, list[int]] = {name: [] for name in self.names}

    async def tick(self, *, remembered: bool = True) -> None:
        """A reading of every series, taken just before it is appended."""
        self._position += 1
        for partition, series in self._parts.items():
            now, count = time.time_ns(), len(series)
            value = np.sin(now / 4e9 + np.arange(count)) * 5 + np.random.default_rng(now).normal(50, 0.5, count)
            time_, position = np.full(count, now), np.full(count, self._position)
            readings = Readings.of(series, np.arange(count), time_, value, position)
            frames = list(encode([ReadingsAccepted(readings)], "bench"))
            await self._bus.append(Place(ReadingsAccepted.stream, partition), frames)
            for one in series if remembered else ():
                self.written[one.name].append(now)


@asynccontextmanager
async def rigged() -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="toc-") as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        server = EmbeddedServer(Path(folder) / "redis", maxmemory_mb=512, fsync="everysec")
        server.start()
        bus = await open_bus(Settings(data_dir=Path(folder)), server.url)
        environment = {**os.environ, "TOCSIN_API__PORT": str(port), "TOCSIN_REDIS__URL": server.url}
        command = [sys.executable, "-m", "console.cli", "api", "--data-dir", folder]
        with (Path(folder) / "api.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stderr=log)  # noqa: ASYNC220 - it only starts it
        try:
            said = Path(folder) / "api.log"
            wait_for(port, lambda: "" if process.poll() is None else said.read_text()[-2000:] or "it said nothing")
            yield Rig(bus, port, process.pid)
        finally:
            await bus.close()
            process.terminate()
            process.wait()
            server.stop()


@asynccontextmanager
async def browser(width: int = 1600, height: int = 1100) -> AsyncIterator[Any]:
    """A page of its own; what it says on its console is an error of the bench."""
    from playwright.async_api import async_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        print("no Chromium is installed", file=sys.stderr)
        raise SystemExit(os.EX_UNAVAILABLE)
    async with async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        try:
            # What measures is script that the page's own policy would not let run.
            page = await chromium.new_page(viewport={"width": width, "height": height}, bypass_csp=True)
            page.on("pageerror", lambda error: print(f"error of the page: {error}", file=sys.stderr))
            yield page
        finally:
            await chromium.close()


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it must not reach; None: nobody promised anything."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def holds(self) -> bool:
        return self.limit is None or self.value < self.limit


def told(figures: Sequence[Figure], as_json: bool) -> bool:
    """Print them; returns whether all hold."""
    load = os.getloadavg()[0]
    if as_json:
        rows = [{**vars(figure), "holds": figure.holds} for figure in figures]
        print(json.dumps({"load": load, "cores": os.cpu_count(), "figures": rows}))
    else:
        for each in figures:
            limit = f"(limit {each.limit:g}) {'ok' if each.holds else 'MISSED'}" if each.limit is not None else ""
            print(f"{each.name:<58} {each.value:>9.1f} {each.unit:<4} {limit}")
        print(f"load of the machine at the end: {load:.1f} on {os.cpu_count()} cores")
    return all(figure.holds for figure in figures)
