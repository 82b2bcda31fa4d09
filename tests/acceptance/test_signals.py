"""SIGTERM during the start, in the middle, and twice: the next run in the same folder writes the same log."""

import random
import signal
import time

from .commands import export, folder, processes, rows, start, tocsin, wait_for
from .conftest import Finished

#: Between them an interpreter starts, a server starts, agents take over, readings flow.
_DELAYS_S = (0.1, 1.0, 3.0)


def test_sigterm_at_any_time_once_or_twice_changes_nothing_in_the_log(finished: Finished) -> None:
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    with folder() as base:
        data_dir = base / "d"
        command = ("run", finished.source, "--json", "--data-dir", data_dir, "--batch-rows", "3")
        for number, delay in enumerate(_DELAYS_S):
            run = start(*command)
            time.sleep(delay * chance.uniform(0.8, 1.2))
            begin = time.monotonic()
            run.send_signal(signal.SIGTERM)
            if number % 2:
                time.sleep(chance.uniform(0.01, 0.3))
                run.send_signal(signal.SIGTERM)
            _, errors = run.communicate(timeout=90)
            assert time.monotonic() - begin < 60, f"seed {seed}"
            assert "Traceback" not in errors, f"seed {seed}: {errors[-3000:]}"
            assert wait_for(lambda: not processes(data_dir)), f"seed {seed}"
        output = tocsin(*command)
        assert rows(output)[:-1] == finished.output[:-1], f"seed {seed}"
        assert export(data_dir) == finished.exported, f"seed {seed}"
