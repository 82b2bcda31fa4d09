"""``tocsin top``: who is how far, at a glance."""

import time
from typing import Any

import anyio
import click

from agents.parts import Recorder, Sink
from agents.topology import Topology
from bus.protocol import Bus, Place
from bus.redis import open_bus

from .options import Loaded, common
from .output import emit, tables
from .tail import running_url


@click.command()
@common
@click.option("--json", "as_json", is_flag=True, help="One JSON object per task and look.")
@click.option("--once", is_flag=True, help="One look only.")
@click.option("--interval", type=click.FloatRange(0.2), default=1.0, show_default=True, help="Seconds between looks.")
def top(loaded: Loaded, as_json: bool, once: bool, interval: float) -> None:
    """Show for every task: events done, rate, how far behind, on which partitions and by whom."""
    topology = Topology.of(loaded.settings, loaded.file)
    anyio.run(_watch, loaded, topology, as_json, once, interval, backend_options={"use_uvloop": True})


async def _watch(loaded: Loaded, topology: Topology, as_json: bool, once: bool, interval: float) -> None:
    bus = await open_bus(loaded.settings, running_url(loaded), create=False)
    before: dict[str, tuple[float, int]] = {}
    try:
        if as_json or once:
            while True:
                found = await look(bus, topology, before)
                for row in found:
                    if as_json:
                        emit(row)
                if not as_json:
                    tables().print(_table(found))
                if once:
                    return
                await anyio.sleep(interval)
        from rich.live import Live

        with Live(console=tables(), screen=True) as live:
            while True:
                live.update(_table(await look(bus, topology, before)), refresh=True)
                await anyio.sleep(interval)
    finally:
        await bus.close()


async def look(bus: Bus, topology: Topology, before: dict[str, tuple[float, int]]) -> list[dict[str, Any]]:
    """One row per task; ``before`` holds the last look, for the rates."""
    found = []
    for item in topology.placed:
        for stream in topology.inputs(item.part):
            task = f"{item.name}<{stream}"
            places = [Place(stream, number) for number in range(bus.partitions)]
            ends = await bus.ends(places)
            owners: set[str] = set()
            if isinstance(item.part, Sink):
                done = await bus.settled(item.name, places)
            else:
                done = {place: int(await bus.position(place.partition, task) or 0) for place in places}
                signs = [await bus.sign(place.partition, task) for place in places]
                owners = {sign.partition(" ")[0] for sign in signs if sign}
            total, now = sum(done.values()), time.monotonic()
            then, was = before.get(task, (now, total))
            before[task] = (now, total)
            row = {"task": task, "done": total, "behind": sum(ends.values()) - total}
            rate = (total - was) / (now - then) if now > then else 0.0
            kind = (
                "recorder"
                if isinstance(item.part, Recorder)
                else "sink"
                if isinstance(item.part, Sink)
                else "processor"
            )
            found.append({**row, "per_second": round(rate, 1), "kind": kind, "owners": sorted(owners)})
    return found


def _table(found: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("task", "kind", "owners", header_style="bold")
    for name in ("done", "per second", "behind"):
        table.add_column(name, justify="right")
    for row in found:
        style = "yellow" if row["behind"] else ""
        numbers = (f"{row['done']:,}", f"{row['per_second']:,.0f}", f"{row['behind']:,}")
        table.add_row(row["task"], row["kind"], ", ".join(row["owners"]) or "-", *numbers, style=style)
    return table
