"""How the streams are: tasks, owners, what is stored, who stands still. A look serves all who ask meanwhile."""

from dataclasses import dataclass, field
from typing import Any

import anyio

from agents.clock import Clock
from agents.standstill import standing_still
from agents.telemetry import Report, families
from bus.history import History
from bus.protocol import Bus
from contracts.instants import iso
from contracts.settings import Settings

from ..configured import Configured
from ..look import Look, Seen
from ..standing import Observer
from .holding import Holding

#: A look asks for hundreds of positions: within this time the one before is shown again.
_FRESH_S = 1.5
#: Who stands still is found by going back through the life cycle: seldom enough that it costs nothing.
_STILL_S = 10.0


@dataclass
class Streams:
    """Looks at one log."""

    bus: Bus
    history: History
    settings: Settings
    configured: Configured
    clock: Clock = field(default_factory=Clock)
    _look: Look | None = None
    _looking: anyio.Lock = field(default_factory=anyio.Lock)
    _last: dict[str, Any] = field(default_factory=dict)
    _looked_s: float = float("-inf")
    _still: list[dict[str, Any]] = field(default_factory=list)
    _still_s: float = float("-inf")

    def __post_init__(self) -> None:
        self._holding = Holding(self.bus, self.history)

    async def now(self) -> dict[str, Any]:
        """``at``, ``tasks``, ``streams``, ``processes``, ``stopped``, ``letters`` (open ones) and ``memory`` (0 to 1).

        Raises Unavailable when the server does not answer, ConfigError where the agents cannot be built.
        """
        async with self._looking:
            if self.clock.monotonic_s() - self._looked_s >= _FRESH_S:
                self._last = await self._taken()
                self._looked_s = self.clock.monotonic_s()
            return self._last

    async def _taken(self) -> dict[str, Any]:
        if self._look is None:
            topology = await self.configured.topology()
            self._look = Look(self.settings.data_dir, Observer(self.bus, topology))
        seen = await self._look.seen()
        since = {report.owner: _began(report) for report in seen.reports}
        *tasks, total = seen.rows
        return {
            "at": iso(self.clock.wall_ns()),
            "tasks": [_task(row, since) for row in tasks],
            "streams": await self._holding.rows(),
            "processes": _processes(seen),
            "stopped": await self._stopped(),
            "letters": total["dead_letters"],
            "memory": total["memory_used"],
        }

    async def _stopped(self) -> list[dict[str, Any]]:
        """Partitions on which a task stands still, and waits for somebody."""
        if self.clock.monotonic_s() - self._still_s < _STILL_S:
            return self._still
        self._still_s = self.clock.monotonic_s()
        self._still = [
            {
                "task": each.event.agent,
                "partition": each.partition,
                "position": each.event.position,
                "since": iso(each.event.time),
                "owner": each.event.owner,
                "error": each.event.error,
            }
            for each in await standing_still(self.bus)
        ]
        return self._still


def _task(row: dict[str, Any], since: dict[str, str]) -> dict[str, Any]:
    """A row as it is told: commits and deliveries under one name, owners with the time since when they run."""
    sink = row["kind"] == "sink"
    p50, p99 = (row[f"{'delivery' if sink else 'commit'}_{name}_s"] for name in ("p50", "p99"))
    same = ("task", "kind", "done", "per_second", "behind", "pending", "recoveries", "refused", "fenced")
    return {
        **{name: row[name] for name in same},
        "oldest_unread": row["oldest_unread"] or "",
        "oldest_age_s": row["oldest_age_s"],
        "p50_s": p50,
        "p99_s": p99,
        "owners": [{"owner": owner, "since": since.get(owner, "")} for owner in row["owners"]],
    }


def _processes(seen: Seen) -> list[dict[str, Any]]:
    """The processes of this data directory that report."""
    return [
        {
            "process": report.process,
            "owner": report.owner,
            "started": _began(report),
            "cpu_s": _number(report.series, families.CPU.name),
            "resident": int(_number(report.series, families.RESIDENT.name)),
        }
        for report in seen.reports
    ]


def _began(report: Report) -> str:
    return iso(int(report.started * 1e3) * 1_000_000)


def _number(series: dict[str, dict[tuple[str, ...], list[float]]], name: str) -> float:
    return sum(slot[0] for slot in series.get(name, {}).values())
