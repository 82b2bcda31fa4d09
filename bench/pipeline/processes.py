"""What the processes of the service use: memory over time, and processor time."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

#: The first part of what was seen does not count: buffers fill up once.
_WARM_SHARE = 0.25
#: Less than this share of the memory, or so many MB, from the beginning to the end of what counts: that is flat.
_FLAT_SHARE, _FLAT_MB = 0.05, 10.0
#: A shorter look says nothing.
_LEAST_S = 60.0
_MOST_POINTS = 60


@dataclass
class Memory:
    """Resident MB of each process, look by look. ``seconds`` are those of the looks."""

    pids: dict[str, int]
    seconds: list[float] = field(default_factory=list)
    mb: dict[str, list[float]] = field(default_factory=dict)

    def look(self, **more: float) -> None:
        """Take the memory of all processes, and ``more`` that was asked for elsewhere, in MB."""
        self.seconds.append(time.perf_counter())
        for name, mb in more.items():
            self.mb.setdefault(name, []).append(mb)
        for name, pid in self.pids.items():
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            self.mb.setdefault(name, []).append(pages * os.sysconf("SC_PAGESIZE") / 1e6)

    def told(self) -> dict[str, Any]:
        """By process: what it had, at most 60 times; MB per minute by least squares, and whether that is flat.

        The latter two are None where it was looked at for less than a minute.
        """
        return {name: self._told(np.array(values)) for name, values in self.mb.items()}

    def _told(self, values: Any) -> dict[str, Any]:
        at = np.array(self.seconds)
        late = at >= at[0] + _WARM_SHARE * (at[-1] - at[0])
        span, slope = float(at[-1] - at[late][0]), None
        if span >= _LEAST_S:
            away = at[late] - at[late].mean()
            slope = float((away * values[late]).sum() / (away * away).sum())
        flat = None if slope is None else slope * span <= max(_FLAT_SHARE * float(values[late].mean()), _FLAT_MB)
        step = -(-len(values) // _MOST_POINTS)
        return {
            "mb": [round(float(mb)) for mb in values[::step]],
            "mb_per_minute": None if slope is None else round(slope * 60, 2),
            "flat": flat,
        }


def processor(pids: dict[str, int]) -> dict[str, float]:
    """Processor seconds that each process has used, with those of its children that ended."""
    stats = {name: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for name, pid in pids.items()}
    # A server's child writes its file anew, in time that the others do not have.
    return {name: sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK") for name, stat in stats.items()}
