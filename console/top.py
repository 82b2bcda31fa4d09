"""``tocsin top``: who is how far, at a glance."""

from typing import Any

import anyio
import click

from agents.topology import Topology
from bus.redis import open_bus

from .look import Look
from .options import Loaded, common
from .output import emit, tables
from .render import span
from .standing import Observer
from .tail import running_url


@click.command()
@common
@click.option("--json", "as_json", is_flag=True, help="One JSON object per task and look; task * sums up.")
@click.option("--once", is_flag=True, help="One look only.")
@click.option("--interval", type=click.FloatRange(0.2), default=1.0, show_default=True, help="Seconds between looks.")
def top(loaded: Loaded, as_json: bool, once: bool, interval: float) -> None:
    """Show for every task: events done, rate, how far behind, pending, time of commits, recoveries, refusals, owner.

    Times, recoveries and refusals are those that the processes of this data directory counted since they began; rates
    and times are those of the last interval where there is one.
    """
    topology = Topology.of(loaded.settings, loaded.file)
    anyio.run(_watch, loaded, topology, as_json, once, interval, backend_options={"use_uvloop": True})


async def _watch(loaded: Loaded, topology: Topology, as_json: bool, once: bool, interval: float) -> None:
    bus = await open_bus(loaded.settings, running_url(loaded), create=False)
    look = Look(loaded.settings.data_dir, Observer(bus, topology))
    try:
        if as_json or once:
            while True:
                found = await look.rows()
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
                live.update(_table(await look.rows()), refresh=True)
                await anyio.sleep(interval)
    finally:
        await bus.close()


def _table(found: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    *tasks, total = found
    title = (
        f"dead letters {total['dead_letters']:,}   memory {total['memory_used']:.0%}   "
        f"processes {', '.join(total['processes']) or 'none reports here'}"
    )
    table = Table(title=Text(title), title_justify="left", header_style="bold", pad_edge=False, box=None)
    table.add_column("task", overflow="fold")
    for name in ("done", "per s", "behind", "oldest", "pending", "p50", "p99", "recov.", "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("owner", overflow="ellipsis", no_wrap=True)
    for row in tasks:
        sink = row["kind"] == "sink"
        p50, p99 = (row[f"{'delivery' if sink else 'commit'}_{name}_s"] for name in ("p50", "p99"))
        table.add_row(
            row["task"],
            _short(row["done"]),
            _short(row["per_second"]),
            _short(row["behind"]),
            _age(row["oldest_age_s"]),
            _short(row["pending"]) if sink else "-",
            *(f"{value * 1000:g} ms" if value is not None else "-" for value in (p50, p99)),
            f"{row['recoveries']:,}",
            f"{row['refused']:,}",
            ", ".join(owner.rpartition("/")[2] for owner in row["owners"]) or "-",
            style="yellow" if row["behind"] or row["pending"] else "",
        )
    return table


def _short(value: float) -> str:
    """A number in at most six characters."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 10 * size:
            return f"{value / size:.1f}{unit}" if value < 100 * size else f"{value / size:.0f}{unit}"
    return f"{value:.4g}"


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else span(max(0.0, seconds)).replace(" min", "m").replace(" ", "")
