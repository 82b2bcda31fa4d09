"""A child process that dies at once is started again ever less often, and says so each time."""

import time

import pytest

from console.host import Child


def test_child_that_dies_again_and_again_is_started_ever_less_often(capfd: pytest.CaptureFixture[str]) -> None:
    child = Child("anomaly", ["/bin/false"], {})
    begin = now = time.monotonic()
    starts = []
    while now - begin < 300:
        child.look(now)
        if child.process is not None:
            # Our clock runs ahead of the real one.
            child.begun = now
            starts.append(now - begin)
            child.process.wait()
        now += 0.1
    first_minute = [at for at in starts if at < 60]
    assert 6 <= len(first_minute) <= 12
    assert starts[-1] - starts[-2] > 14
    assert starts[1] < 2
    told = [line for line in capfd.readouterr().out.splitlines() if "child died" in line]
    assert len(told) == len(starts)
    assert all("anomaly" in line and "restart_in_s" in line for line in told)
