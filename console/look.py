"""How far every task is, at what pace, and what the processes counted: one look after the other."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread

from agents.clock import Clock
from agents.telemetry import Report, families, read_reports
from agents.telemetry.metrics import quantile
from agents.telemetry.reports import FRESH_S
from contracts.instants import iso

from .standing import Observer, Overview, Standing

#: The row that holds what belongs to no task.
TOTAL = "*"


@dataclass
class Look:
    """Looks one after the other; the one before gives the rates."""

    data_dir: Path
    observer: Observer
    clock: Clock = field(default_factory=Clock)
    _done: dict[str, tuple[float, int]] = field(default_factory=dict)
    _counted: dict[str, list[float]] = field(default_factory=dict)

    async def rows(self) -> list[dict[str, Any]]:
        """A row per task, and one for everything together."""
        return (await self.seen()).rows

    async def seen(self) -> "Seen":
        """The rows, with what they were made of. Raises Unavailable when the server does not answer."""
        overview = await self.observer.look()
        now = self.clock.wall_ns()
        everybody = await to_thread.run_sync(read_reports, self.data_dir, now / 1e9)
        reports = [report for report in everybody if now / 1e9 - report.written <= FRESH_S]
        found = [{**self._standing(task, now), **self._counts(task, reports)} for task in overview.tasks]
        return Seen([*found, _total(overview, reports)], overview, reports)

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


@dataclass(frozen=True)
class Seen:
    """One look: a row per task and the one of everything, the log as it stood, and the processes that report."""

    rows: list[dict[str, Any]]
    overview: Overview
    reports: Sequence[Report]
