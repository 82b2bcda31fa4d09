"""The doctor's findings for a page: looked for in the background while somebody asks, once a minute at most."""

import asyncio
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

import structlog

from agents.clock import Clock
from bus.history import History
from bus.news import News
from contracts.errors import TocsinError
from contracts.events import HealthChanged
from contracts.instants import iso
from contracts.settings import Settings

from .errand import Errand

log = structlog.get_logger()

_EVERY_S = 60.0
#: Somebody who asks for a look now gets one of the last seconds.
_FRESH_S = 5.0
#: The doctor ends with these, whatever it found.
_CODES = (0, 1, 69, 78)
_CHANGES = 50
_ORDER = {"fail": 0, "warn": 1, "ok": 2, "skip": 3}


@dataclass
class Checkup:
    """Runs the doctor in a process of its own: it counts readings and asks MLflow. ``errand`` None: it cannot."""

    history: History
    errand: Errand | None
    clock: Clock = field(default_factory=Clock)
    findings: list[dict[str, str]] = field(default_factory=list)
    problem: str = ""
    _at: int = 0
    _ended_s: float = float("-inf")
    _under_way: "asyncio.Task[None] | None" = None
    _news: News = field(default_factory=lambda: News([HealthChanged]))
    _changes: list[HealthChanged] = field(default_factory=list)

    async def now(self, *, anew: bool = False) -> dict[str, Any]:
        """``state``, ``at``, ``findings`` (the worst first), ``problem``, and ``changes``, the latest first.

        A look begins where the last is a minute old, or ``anew`` and a few seconds old; it is told when it is done.
        Raises Unavailable where the log cannot be read.
        """
        self._begin(_FRESH_S if anew else _EVERY_S)
        looking = self._under_way is not None
        told: dict[str, Any] = {
            "state": "looking" if looking else "done" if self.errand else "cannot look",
            "at": iso(self._at) if self._at else "",
            "findings": self.findings,
            "problem": self.problem,
            "failed": sum(row["status"] == "fail" for row in self.findings),
            "warned": sum(row["status"] == "warn" for row in self.findings),
        }
        for event in await self._news.read(self.history):
            if isinstance(event, HealthChanged):
                self._changes.append(event)
        self._changes = sorted(self._changes, key=lambda event: -event.time)[:_CHANGES]
        return told | {"changes": [_change(event) for event in self._changes]}

    def _begin(self, old_s: float) -> None:
        if self.errand is None or self._under_way is not None:
            return
        if self.clock.monotonic_s() - self._ended_s >= old_s:
            # What it logs is not of the request that it begins in.
            self._under_way = asyncio.get_running_loop().create_task(self._look(self.errand), context=Context())

    async def _look(self, errand: Errand) -> None:
        try:
            found = await errand.run("doctor", "--json", codes=_CODES)
            rows = [{name: str(value) for name, value in row.items()} for row in found]
            self.findings = sorted(rows, key=lambda row: _ORDER.get(row["status"], 0))
            self._at, self.problem = self.clock.wall_ns() // 1_000_000 * 1_000_000, ""
        except (TocsinError, ValueError, TypeError, AttributeError, KeyError, OSError) as error:
            # It is tried again in a minute; what was found before stays, with its time.
            log.warning("the doctor could not look", cause=str(error))
            self.problem = f"the doctor could not look: {error}"
        finally:
            self._ended_s, self._under_way = self.clock.monotonic_s(), None


def doctors_errand(errand: Errand | None, settings: Settings) -> Errand | None:
    """As a person would run it: the embedded server is found by its folder, not by an address that we were given."""
    if errand is None:
        return None
    socket = (settings.data_dir / "redis").absolute() / "valkey.sock"
    return errand.without("TOCSIN_REDIS__URL") if settings.redis.url in (None, f"unix://{socket}") else errand


def _change(event: HealthChanged) -> dict[str, str]:
    return {
        "time": iso(event.time),
        "check": event.check,
        "state": event.state,
        "found": event.found,
        "due_to": event.due_to,
        "mend": event.mend,
    }
