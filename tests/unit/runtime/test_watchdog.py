"""A process that hangs ends itself; one that is slow, idle or paused does not."""

import subprocess
import sys

import anyio

from agents.runtime.watchdog import EXIT_CODE, Steps, Watchdog

HANGS = """
import sys, time, anyio
from agents.runtime.watchdog import Steps, Watchdog
from anyio import to_thread

def stuck():
    with steps.step("the counter at 7-9"):
        time.sleep(60)

async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(Watchdog(steps, 0.3).run)
        await anyio.sleep(0.1)
        {call}

steps = Steps()
anyio.run(main)
"""


def hanging(call: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HANGS.format(call=call)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_step_that_does_not_end_ends_the_process_and_names_itself() -> None:
    found = hanging("await to_thread.run_sync(stuck)")
    assert found.returncode == EXIT_CODE
    assert "hangs: the counter at 7-9" in found.stdout + found.stderr
    assert "in stuck" in found.stderr, "the stack shows where"


def test_event_loop_that_stands_still_ends_the_process() -> None:
    found = hanging("time.sleep(60)")
    assert found.returncode == EXIT_CODE
    assert "hangs: the event loop" in found.stdout + found.stderr


async def test_many_short_steps_are_no_hang() -> None:
    steps = Steps()
    watchdog = Watchdog(steps, 100.0)
    for _ in range(200):
        steps.turns += 1
        with steps.step("short"):
            assert watchdog.look() == ""


def test_only_looks_count_so_a_pause_is_no_hang() -> None:
    steps = Steps()
    watchdog = Watchdog(steps, 10.0)
    with steps.step("long"):
        looks = 0
        while not (hung := watchdog.look()):
            steps.turns += 1
            looks += 1
    assert (hung, looks) == ("long", 20)
    steps.turns += 1
    assert watchdog.look() == ""


async def test_guarded_only_while_it_watches() -> None:
    steps = Steps()
    async with anyio.create_task_group() as group:
        group.start_soon(Watchdog(steps, 60.0).run)
        await anyio.wait_all_tasks_blocked()
        assert steps.guarded
        group.cancel_scope.cancel()
    assert not steps.guarded
    steps.out_of_memory("nobody would start us again")
