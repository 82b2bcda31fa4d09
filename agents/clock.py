"""The only place where the service reads a clock. Processors never do; sources and runners are handed one."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Wall time for events about ourselves, monotonic time for waiting. Tests pass their own."""

    wall_ns: Callable[[], int] = time.time_ns
    monotonic_s: Callable[[], float] = time.monotonic
