"""The time of day jumps by an hour, for the server and for every process of a fleet: nobody loses a lease by it, and
the log is the one of an undisturbed run.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from contracts.events import SourceFinished
from tests.chaos.fleet import Fleet, Nursery, Scene
from tests.chaos.parts import PARTITIONS, READINGS, TASKS
from tests.chaos.verdict import problems, undisturbed, undone
from tests.unit.runtime.counting import of_type

HOUR_S = 3600.0
#: Jumps while members wait for each other's leases, and then steps as a time server makes them.
SHIFTS_S = [
    *(hours * HOUR_S for hours in (1, 2, 3, -1, 0, 1, 2, 3, -1)),
    *(step - HOUR_S for step in (0.4, -0.3, 0.9, -1.1, 0.0)),
]
#: Longer than anything on a busy machine takes: whatever is taken over is taken by the clock.
LEASE_S = 6.0
#: Two have all partitions, and the third looks all the time whether they live.
SCENE = Scene(lease_s=LEASE_S, members="abc", calm=True)


class Shift:
    """The time of day of all processes that are started from now on."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        compiler, library, self._file = shutil.which("gcc"), folder / "shift.so", folder / "shift"
        if compiler is None:
            assert not os.environ.get("CI"), "CI has no gcc"
            pytest.skip("gcc is not installed: it builds what moves the clock of a process")
        source = Path(__file__).with_name("shift.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self._file.write_bytes(bytes(8))
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("CLOCK_SHIFT", str(self._file))

    def to(self, seconds: float) -> None:
        with self._file.open("r+b") as file:
            file.write(int(seconds * 1e9).to_bytes(8, "little", signed=True))


@pytest.fixture
def shift(tmp_path: Path) -> Iterator[Shift]:
    with pytest.MonkeyPatch.context() as patch:
        yield Shift(tmp_path, patch)


async def jump(fleet: Fleet, shift: Shift) -> list[str]:
    """All shifts in the course of the work; what is wrong then."""
    bus = RedisBus(connect(fleet.server.url), PARTITIONS)
    with anyio.fail_after(90):
        for number, seconds in enumerate(SHIFTS_S):
            await _left(bus, READINGS * len(TASKS) * (0.95 - 0.065 * number))
            shift.to(seconds)
            with anyio.fail_after(10):
                while abs(await _ahead_s(bus) - seconds) > 2:  # noqa: ASYNC110 - it is in another process
                    await anyio.sleep(0.01)
        await _left(bus, 0)
    fleet.end(list(fleet.workers.values()), signal.SIGTERM)
    wrong = await problems(bus, fleet.folder)
    off = {round((event.time / 1e9 - time.time()) / HOUR_S) for event in await of_type(bus, SourceFinished)}
    assert off == {-1}, "the clocks of the fleet did not jump"
    await bus.close()
    return wrong


async def _ahead_s(bus: RedisBus) -> float:
    """How far the server's time of day is ahead of ours."""
    return int((await bus._server.call("TIME"))[0]) - time.time()


async def _left(bus: RedisBus, most: float) -> None:
    while sum((await undone(bus)).values()) > most:  # noqa: ASYNC110 - it is in the log
        await anyio.sleep(0.02)


def test_jumps_of_the_clock_steal_no_lease_and_lose_nothing(shift: Shift) -> None:
    undisturbed()
    with Nursery() as nursery, Fleet(nursery, random.Random(1), SCENE) as fleet:
        wrong = anyio.run(jump, fleet, shift)
        said = (fleet.folder / "log").read_text()
    assert wrong == []
    assert [line for line in said.splitlines() if "silent owner" in line or "lease lost" in line] == []
    assert "partitions" in said, "they say what they own"
    fleet.forget()
