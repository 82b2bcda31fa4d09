"""``tocsin top``: who is how far, at a glance."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import click

from agents.clock import Clock
from agents.telemetry import Report, families, read_reports
from agents.telemetry.metrics import quantile
from agents.telemetry.reports import FRESH_S
from agents.topology import Topology
from bus.redis import open_bus
from contracts.instants import iso

from .options import Loaded, common
from .output import emit, tables
from .render import span
from .standing import Observer, Overview, Standing
from .tail import running_url

#: The row that holds what belongs to no task.
TOTAL = "*"


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
    look = Look(loaded, Observer(bus, topology))
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


@dataclass
class Look:
    """Looks one after the other; the one before gives the rates."""

    loaded: Loaded
    observer: Observer
    clock: Clock = field(default_factory=Clock)
    _done: dict[str, tuple[float, int]] = field(default_factory=dict)
    _counted: dict[str, list[float]] = field(default_factory=dict)

    async def rows(self) -> list[dict[str, Any]]:
        """A row per task, and one for everything together."""
        overview = await self.observer.look()
        now = self.clock.wall_ns()
        reports = [
            report
            for report in read_reports(self.loaded.settings.data_dir, now / 1e9)
            if now / 1e9 - report.written <= FRESH_S
        ]
        found = [{**self._standing(task, now), **self._counts(task, reports)} for task in overview.tasks]
        return [*found, _total(overview, reports)]

    def _standing(self, task: Standing, now: int) -> dict[str, Any]:
        at = time.monotonic()
        then, was = self._done.get(task.task, (at, task.done))
        self._done[task.task] = (at, task.done)
        return {
            "task": task.task,
            "kind": task.kind,
            "done": task.done,
            "per_second": round((task.done - was) / (at - then), 1) if at > then else 0.0,
            "behind": task.behind,
            "pending": task.pending,
            "oldest_unread": iso(task.oldest_ns) if task.oldest_ns is not None else None,
            "oldest_age_s": round((now - task.oldest_ns) / 1e9, 1) if task.oldest_ns is not None else None,
            "owners": list(task.owners),
        }

    def _counts(self, task: Standing, reports: Sequence[Report]) -> dict[str, Any]:
        # A sink commits nothing; what takes its time are deliveries, counted by its name alone.
        name = task.task.partition("<")[0] if task.kind == "sink" else task.task
        family = families.DELIVERY if task.kind == "sink" else families.COMMIT
        counts = _summed(reports, family, name)
        before = self._counted.get(task.task, [0.0] * len(counts))
        self._counted[task.task] = counts
        fresh = [new - old for new, old in zip(counts, before, strict=True)]
        # Where a process began anew, or nothing happened meanwhile, all that is known is what there is in all.
        shown = fresh if sum(fresh[:-1]) > 0 and min(fresh) >= 0 else counts
        p50, p99 = (quantile(shown[:-1], family.buckets, share) for share in (0.5, 0.99))
        return {
            "commit_p50_s" if task.kind != "sink" else "delivery_p50_s": p50,
            "commit_p99_s" if task.kind != "sink" else "delivery_p99_s": p99,
            "recoveries": int(sum(_summed(reports, families.RECOVERY, name)[:-1])),
            "refused": int(sum(_summed(reports, families.REFUSED, name))),
            "fenced": int(sum(_summed(reports, families.REFUSED, name, "fenced"))),
        }


def _summed(reports: Sequence[Report], family: families.Family, *labels: str) -> list[float]:
    """The values of a family over all processes and over all labels that begin like this."""
    width = len(family.buckets) + 2 if family.kind == "histogram" else 1
    total = [0.0] * width
    for report in reports:
        for found, slot in report.series.get(family.name, {}).items():
            if found[: len(labels)] == labels:
                total = [one + other for one, other in zip(total, slot, strict=True)]
    return total


def _total(overview: Overview, reports: Sequence[Report]) -> dict[str, Any]:
    return {
        "task": TOTAL,
        "behind": sum(task.behind for task in overview.tasks),
        "pending": sum(task.pending for task in overview.tasks),
        "recoveries": int(sum(_summed(reports, families.RECOVERY)[:-1])),
        "refused": int(sum(_summed(reports, families.REFUSED))),
        "dead_letters": overview.open_letters,
        "memory_used": round(overview.fullness, 4),
        "processes": sorted({report.process for report in reports}),
    }


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
