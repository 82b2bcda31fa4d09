"""Ends a process that hangs, so that its supervisor starts it again and its partitions are worked on.

Signs of life come from the work itself: the event loop turns, and every step ends. A thread only looks at them. It
counts looks and reads no clock, so a process that was paused is not taken for one that hung.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import anyio
import structlog

log = structlog.get_logger()

#: Exit code of a process that ended itself: an internal error.
EXIT_CODE = 70
#: Looks in the time that a step may take.
_LOOKS = 20
_LONGEST_LOOK_S = 5.0


class Steps:
    """What this process computes just now."""

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        self.turns = 0
        self.guarded = False
        self._numbers = count()

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[], None]]:
        """Computing ``what``, in this thread or in another that it waits for.

        Gives a function to call when a part of it is done: its time begins anew then.
        """
        number = next(self._numbers)
        self.open[number] = what

        def moved() -> None:
            nonlocal number
            before, number = number, next(self._numbers)
            self.open[number] = what
            del self.open[before]

        try:
            yield moved
        finally:
            del self.open[number]

    def out_of_memory(self, what: str) -> None:
        """End the process, if a supervisor starts it again: what leaked is free then, and no input is to blame."""
        if self.guarded:
            end(f"no memory left in {what}", mend="Raise process.memory_mb, or find what grows")


class Watchdog:
    """Looks whether steps end and the event loop turns; ends the process when one does not for ``hang_s``."""

    def __init__(self, steps: Steps, hang_s: float) -> None:
        self.steps = steps
        self._look_s = min(hang_s / _LOOKS, _LONGEST_LOOK_S)
        self._most = max(1, round(hang_s / self._look_s))
        self._ages: dict[int, int] = {}
        self._turns, self._still = -1, 0
        self._stop = threading.Event()

    async def run(self) -> None:
        """Watch until this is cancelled."""
        self.steps.guarded = True
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        try:
            while True:
                self.steps.turns += 1
                await anyio.sleep(self._look_s / 2)
        finally:
            self._stop.set()
            self.steps.guarded = False

    def _watch(self) -> None:
        while not self._stop.wait(self._look_s):
            if hung := self.look():
                end(f"hangs: {hung}", mend="The stacks above show where; bus.hang_s is the limit")

    def look(self) -> str:
        """What hangs, after one more look; empty while everything moves."""
        now = dict(self.steps.open)
        self._ages = {number: self._ages.get(number, 0) + 1 for number in now}
        self._still = self._still + 1 if self.steps.turns == self._turns else 0
        self._turns = self.steps.turns
        # The oldest first: others may wait for it.
        for number, age in sorted(self._ages.items()):
            if age > self._most:
                return now[number]
        return "the event loop" if self._still > self._most else ""


def end(cause: str, *, mend: str) -> None:
    """End this process at once, with the stack of every thread in its log."""
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    log.critical("this process ends itself", cause=cause, mend=mend)
    sys.stderr.flush()
    os._exit(EXIT_CODE)
