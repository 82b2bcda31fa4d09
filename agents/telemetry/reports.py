"""The numbers of each process as a file in the data directory, for whoever shows those of all.

A file, since it can be read while its process hangs or is gone, needs no port, and is there without Redis. A process
that is killed leaves its file behind; its successor of the same name begins again at zero, as Prometheus expects.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from anyio import sleep, to_thread

from ..clock import Clock
from . import families
from .metrics import Metrics, Series

log = structlog.get_logger()

FOLDER = "metrics"
EVERY_S = 2.0
#: An older report is of a process that hangs, or of one that is gone.
FRESH_S = 15.0
#: Left by processes that were killed and have no successor of their name.
_FORGET_S = 24 * 3600.0


@dataclass(frozen=True)
class Report:
    """The numbers of one process at one moment; ``written`` and ``started`` are Unix seconds.

    ``running`` says with what it was started: ``agents.health.running``.
    """

    process: str
    owner: str
    started: float
    written: float
    series: Series
    running: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        rows = {name: [[list(labels), slot] for labels, slot in found.items()] for name, found in self.series.items()}
        return json.dumps({**vars(self), "series": rows}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> "Report":
        """From the text of a file.

        Raises ValueError, KeyError or TypeError when it is none.
        """
        data: dict[str, Any] = json.loads(text)
        data["series"] = {
            name: {tuple(map(str, labels)): [float(value) for value in slot] for labels, slot in rows}
            for name, rows in data["series"].items()
        }
        return cls(**data)


class Reporter:
    """Writes the report of this process every two seconds."""

    def __init__(
        self,
        data_dir: Path,
        process: str,
        owner: str,
        metrics: Metrics,
        clock: Clock | None = None,
        running: Mapping[str, Any] | None = None,
    ) -> None:
        self.process, self.owner, self.metrics, self.clock = process, owner, metrics, clock or Clock()
        self.running = running or {}
        self.path = data_dir / FOLDER / f"{quote(owner, safe='')}.json"
        self.started = self.clock.wall_ns() / 1e9

    def report(self) -> Report:
        """The numbers as they are now."""
        self.metrics.put(families.STARTED, value=self.started)
        self.metrics.put(families.CPU, value=time.process_time())
        if resident := _resident_bytes():
            self.metrics.put(families.RESIDENT, value=resident)
        series = {
            name: {labels: list(slot) for labels, slot in rows.items()} for name, rows in self.metrics.series.items()
        }
        return Report(self.process, self.owner, self.started, self.clock.wall_ns() / 1e9, series, self.running)

    async def run(self) -> None:
        """Write until cancelled, then take the file away."""
        try:
            while True:
                await to_thread.run_sync(self._write, self.report().json())
                await sleep(EVERY_S)
        finally:
            self.path.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        draft = self.path.with_suffix(".draft")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(text)
            draft.replace(self.path)
        except OSError as error:
            # Numbers are never worth failing for; whoever reads them sees their age.
            log.warning("the numbers of this process could not be written", path=str(self.path), cause=str(error))


def read_reports(data_dir: Path, now: float) -> list[Report]:
    """The reports of all processes of a data directory, stale ones included; ``now`` is Unix seconds.

    What is no report is left out, and what is older than a day is deleted.
    """
    found = []
    for path in sorted((data_dir / FOLDER).glob("*.json")):
        try:
            if now - path.stat().st_mtime > _FORGET_S:
                path.unlink(missing_ok=True)
                continue
            found.append(Report.parse(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.debug("not a report", path=str(path), cause=repr(error))
    return found


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        # Not on this system.
        return 0
