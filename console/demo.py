"""``tocsin demo``: the main job in a minute, on a simulated plant with planted faults."""

import time
from pathlib import Path
from typing import Any

import anyio
import click

from agents.acquisition.plant import Plant
from agents.topology import Topology
from bus.protocol import Bus, Place
from bus.redis import open_bus
from bus.scan import Found, read
from contracts.events import AnomalyDetected, DataQualityIncident, DriftDetected, Event
from contracts.instants import SECOND, from_iso, iso
from contracts.rows import event_row
from contracts.settings import AgentSettings, AlertingSettings, Settings

from .drained import drained, finished
from .host import Host
from .logs import set_up
from .options import Loaded, common
from .output import emit, say, tables
from .render import line, style
from .up import APART

_WAIT_S = 0.3
_STREAMS = ("anomalies", "drift", "incidents")
PLANT = "sim-plant"
#: A fault may be noticed a little after it is over: its channel changes back.
_GRACE_NS = 3_600 * SECOND


@click.command()
@common
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True, help="Most seconds to watch.")
@click.option("--seed", default=7, show_default=True, help="Another seed, another plant.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
@click.option("--page", is_flag=True, help="Go on for ever, and show everything on a web page.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8091, show_default=True, help="Of the web page.")
def demo(loaded: Loaded, seconds: float, seed: int, as_json: bool, page: bool, port: int) -> int:
    """Run the whole service on SIMULATED machines, and show what it finds as it finds it.

    A week of plant time goes by as fast as the agents can follow. Faults are planted at times that the agents are
    not told; at the end they are set beside what was found.
    """
    if page:
        from .demopage import show_page

        return show_page(loaded, port, seed)
    begun = time.monotonic()
    settings = _simulated(loaded.settings, seed)
    set_up(settings.log.model_copy(update={"level": "error"}))
    topology = Topology.of(settings, loaded.file)
    with Host(settings) as host:
        config = _written(settings)
        together = [name for name in dict.fromkeys(item.agent for item in topology.placed) if name not in APART]
        host.spawn("pipeline", together, config)
        for name in APART:
            host.spawn(name, [name], config)
        show = _Show(settings, topology, as_json, begun)
        return anyio.run(show.go, host, seconds, backend_options={"use_uvloop": True})


def _simulated(settings: Settings, seed: int) -> Settings:
    plant = {
        "kind": "plant",
        "seed": seed,
        "speed": 0,
        "interval_s": 60,
        "steps": 10_080,
        "healthy": 2_880,
        "fault_every": 3_600,
        "start": "2026-01-05T00:00:00Z",
    }
    agents = {name: agent for name, agent in settings.agents.items() if name not in ("acquisition", "notification")}
    agents["acquisition"] = AgentSettings.model_validate({"sources": {PLANT: plant}})
    # One report per series and half a day: a week is short, and much in it is seen for the first time.
    agents["anomaly"] = AgentSettings.model_validate({"clear_after": 720})
    sinks = {"file": {"kind": "file", "path": "alerts.jsonl"}}
    agents["notification"] = AgentSettings.model_validate({"sinks": sinks})
    folder = settings.data_dir / "demo" / f"{time.strftime('%Y%m%d-%H%M%S')}"
    return settings.model_copy(update={"agents": agents, "alerting": AlertingSettings(), "data_dir": folder})


def _written(settings: Settings) -> Path:
    """A configuration file for the children: what is simulated is our own, so it holds no secret."""
    import json

    path = settings.data_dir / "demo.yaml"
    agents = {name: agent.model_dump(mode="json") for name, agent in settings.agents.items()}
    path.write_text(json.dumps({"agents": agents, "log": {"level": "error"}}, indent=1))
    return path


class _Show:
    """Prints findings as they come in, and sets them beside what was planted."""

    def __init__(self, settings: Settings, topology: Topology, as_json: bool, begun: float) -> None:
        self.settings, self.topology, self.as_json, self.begun = settings, topology, as_json, begun
        self.found: list[dict[str, Any]] = []
        self.out = tables()

    async def go(self, host: Host, seconds: float) -> int:
        bus = await open_bus(self.settings, host.url, store_file=host.store_file)
        say("SIMULATED plant: machines, readings and faults are made up; the service is real.")
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(host.watch, stop)
            with anyio.move_on_after(seconds):
                await self._follow(bus)
            stop.set()
        await bus.close()
        self._conclude()
        return 0 if self.found else 1

    async def _follow(self, bus: Bus) -> None:
        """Until all that the plant sent is through, and recorded."""
        after = {Place(stream, number): 0 for stream in _STREAMS for number in range(bus.partitions)}
        while True:
            found = await bus.read(after, count=200, block_s=_WAIT_S)
            for place, entries in found.items():
                after[place] = entries[-1].last
                for entry in entries:
                    self._take(read(place, entry))
            if not found and await finished(bus, PLANT) and await drained(bus, self.topology):
                return

    def _take(self, found: Found) -> None:
        for event in found.events:
            if not isinstance(event, Event):
                continue
            opened = isinstance(event, DataQualityIncident) and event.state == "open"
            if isinstance(event, AnomalyDetected | DriftDetected) or opened:
                self._tell(event_row(event))

    def _tell(self, row: dict[str, Any]) -> None:
        if not self.found:
            say(f"first finding after {time.monotonic() - self.begun:.1f} s")
        self.found.append(row)
        if self.as_json:
            emit(row)
        else:
            self.out.print(line(row), style=style(row), soft_wrap=True)

    def _conclude(self) -> None:
        plant = Plant.model_validate(self.settings.agents["acquisition"].own["sources"][PLANT])
        say(f"\n{len(self.found)} findings. What was planted, and whether something was found on it in time:")
        for fault in plant.faults():
            series = f"{fault.asset}/{fault.channel}"
            seen = [row for row in self.found if f"{row['asset']}/{row['channel']}" == series]
            hit = any(fault.start <= from_iso(row["time"]) <= fault.end + _GRACE_NS for row in seen)
            span = f"{iso(fault.start)} to {iso(fault.end)}"
            say(f"  {'found' if hit else '-':<6} {span}  {series}: {fault.kind}")
        chosen = self.found[0]["id"][:12] if self.found else "ID"
        say(f"\nexplain one:  tocsin lineage {chosen} --data-dir {self.settings.data_dir}")
