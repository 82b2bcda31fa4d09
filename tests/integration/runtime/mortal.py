"""Processes that run one processor on a real server and die in many ways; forked, so that imports cost nothing."""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import anyio

from agents.runtime.home import Home
from agents.runtime.lanes.processing import ProcessorRunner
from agents.runtime.watchdog import Watchdog
from bus.embedded import tie_to_parent
from bus.protocol import Bus
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.events import DataQualityIncident
from contracts.settings import BusSettings
from tests.conftest import PARTITIONS
from tests.unit.runtime.counting import INPUT, Counter, Counts, caught_up

#: The reading at which the lethal ones end their process.
LETHAL = 41
KILLED = 137


class _Ending(Counter):
    """Does something terrible at one reading."""

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        if LETHAL in event.readings.position.tolist():
            self.end()
        yield from super().handle(event, state)

    def end(self) -> None:
        raise NotImplementedError


class Exits(_Ending):
    def end(self) -> None:
        os._exit(3)


class Crashes(_Ending):
    def end(self) -> None:
        ctypes.string_at(0)


class Hangs(_Ending):
    def end(self) -> None:
        while True:
            time.sleep(0.01)


class Leaks(_Ending):
    def end(self) -> None:
        kept = []
        while True:
            kept.append(bytearray(1 << 24))


class Guesses(Counter):
    """Not deterministic: each life says something else."""

    def handle(self, event: Any, state: Counts) -> Iterator[DataQualityIncident]:
        for found in super().handle(event, state):
            yield found.model_copy(update={"detail": f"{found.detail} {time.monotonic_ns()}"})


KINDS: dict[str, type[Counter]] = {
    "counter": Counter, "exits": Exits, "crashes": Crashes, "hangs": Hangs, "leaks": Leaks,
    "guesses": Guesses,
}  # fmt: skip


class Failing:
    """A bus that ends the process before or after the n-th call of a method."""

    def __init__(self, inner: Bus, verb: str, number: int, when: str) -> None:
        self._inner, self._verb, self._left, self._when = inner, verb, number, when

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._watched(found) if name == self._verb else found

    def _watched(self, found: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **named: Any) -> Any:
            self._left -= 1
            if not self._left and self._when == "before":
                os._exit(KILLED)
            result = await found(*args, **named)
            if not self._left:
                os._exit(KILLED)
            return result

        return call


async def main(spec: dict[str, Any]) -> None:
    if spec.get("kind") == "leaks":
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
    real = RedisBus(Server(spec["url"]), PARTITIONS)
    bus = cast(Bus, Failing(real, *spec["fail"])) if spec.get("fail") else real
    given = {"partitions": PARTITIONS, "lease_s": 1.0, "snapshot_s": 0.02, "read_events": 20, "hang_s": 60.0}
    settings = BusSettings(**{**given, **spec.get("settings", {})})
    home = Home(bus, spec["owner"], settings)
    runner = ProcessorRunner(home, "counter", KINDS[spec.get("kind", "counter")](), INPUT)
    async with anyio.create_task_group() as group:
        group.start_soon(_stop_on_term, home)
        group.start_soon(Watchdog(home.steps, settings.hang_s).run)
        if spec.get("drain"):
            group.start_soon(_stop_when_done, home, real, runner.task)
        await runner.run()
        group.cancel_scope.cancel()
    await real.close()


async def _stop_on_term(home: Home) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            home.stop.set()


async def _stop_when_done(home: Home, bus: Bus, task: str) -> None:
    await caught_up(bus, task)
    home.stop.set()


def nursery() -> None:
    """Fork a process for each line, a JSON object, and print its pid; with ``drain`` wait, and print how it ended."""
    for line in sys.stdin:
        spec, tie = json.loads(line), tie_to_parent()
        pid = os.fork()
        if pid == 0:
            if tie:
                tie()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            anyio.run(main, spec)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if spec.get("drain") else pid
        print(code, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    nursery()
