"""kill -9 of any one process of a run: the same log in the end, nothing lost, nothing doubled."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from .commands import export, folder, processes, rows, start, tocsin, wait_for
from .conftest import Finished

#: How long after the first readings are in the log the victim dies.
_DELAYS = (0.0, 0.4, 1.5)


def victim(data_dir: Path, what: str) -> int:
    """The pid of the valkey server or the coordinator of a run; 0 while there is none."""
    return next((pid for pid, line in processes(data_dir).items() if what in line), 0)


@pytest.mark.parametrize("what", ["valkey-server", "up coordinator", "run"])
def test_a_killed_process_changes_nothing_in_the_log(what: str, finished: Finished) -> None:
    seed = random.randrange(1 << 30)
    delay = random.Random(seed).choice(_DELAYS)
    where = f"killed {what}, seed {seed}, delay {delay} s"
    with folder() as base:
        data_dir = base / "d"
        command = ("run", finished.source, "--json", "--data-dir", data_dir, "--batch-rows", "3")
        run = start(*command)
        aof = data_dir / "redis" / "appendonlydir"
        # Far enough to hurt: some readings are in, the rest is not.
        wait_for(lambda: sum(f.stat().st_size for f in aof.glob("*")) > 30_000 if aof.exists() else 0)
        pid = run.pid if what == "run" else wait_for(lambda: victim(data_dir, what))
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        output, errors = run.communicate(timeout=100)
        if what == "run":
            assert run.returncode == -signal.SIGKILL
            # At once: the server and the coordinator of the first life may not have stopped yet.
            output = tocsin(*command)
        else:
            assert run.returncode == 0, errors[-3000:]
        assert rows(output)[:-1] == finished.output[:-1], where
        assert export(data_dir) == finished.exported, where
