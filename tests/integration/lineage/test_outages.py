"""MLflow answers wrongly, late or not at all, and is killed: nothing is lost or doubled, and nobody is held up."""

import signal
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest

from agents.coordinator.lineage import LineageRecorder
from agents.parts import Batch, Context
from contracts.errors import Unavailable
from contracts.settings import MlflowSettings
from tests.integration.lineage.runs import ids
from tests.integration.lineage.troubles import Trouble, troubled
from tests.integration.lineage.worker import finding
from tests.integration.mlflow_stores import served

EACH = 200
#: How long a try may take: each request has two tries of a second.
BOUND_S = 8.0
#: With a delay above this the server is killed, too: it takes long to start again.
LONG_S = 10.0


def batch(number: int) -> Batch:
    """The next findings of a partition."""
    first, last = number * EACH + 1, (number + 1) * EACH
    return Batch("anomalies", 0, first, last, [finding(0, n) for n in range(first, last + 1)])


async def beside(recorder: LineageRecorder, what: Batch) -> tuple[bool, float, float]:
    """Try to record; whether it failed, for how long it tried, and the longest that others had to wait meanwhile."""
    begun, worst, failed = time.monotonic(), 0.0, False

    async def beat() -> None:
        nonlocal worst
        last = time.monotonic()
        while True:
            await anyio.sleep(0.01)
            worst, last = max(worst, time.monotonic() - last), time.monotonic()

    async with anyio.create_task_group() as group:
        group.start_soon(beat)
        try:
            await recorder.record(what)
        except Unavailable:
            failed = True
        group.cancel_scope.cancel()
    return failed, time.monotonic() - begun, worst


@pytest.mark.parametrize("delay_s", [2.5, pytest.param(30.0, marks=pytest.mark.soak)])
def test_nothing_is_lost_doubled_or_held_up(delay_s: float, tmp_path: Path, template: Path) -> None:
    with served(tmp_path / "server", template) as server, troubled(server.port, delay_s) as proxy:
        recorder = LineageRecorder(store="log-1", mlflow=MlflowSettings(uri=proxy.url, timeout_s=2, retries=1))
        recorder.prepare(Context("coordinator", tmp_path))
        anyio.run(recorder.record, batch(0))
        done = 1
        troubles: tuple[Trouble, ...] = ("500", "blackhole", "slow")
        for trouble in troubles:
            proxy.trouble = trouble
            failed, took, worst = anyio.run(beside, recorder, batch(done))
            assert failed, trouble
            assert proxy.met, trouble
            assert took < BOUND_S, trouble
            assert worst < took / 2 or worst < 0.2, f"{trouble}: others waited {worst:.2f} of {took:.2f} s"
            proxy.trouble, proxy.met = "none", 0
            anyio.run(recorder.record, batch(done))
            done += 1
        # What was given up is carried out by then.
        time.sleep(delay_s + 1)
        if delay_s > LONG_S:
            server.signal(signal.SIGKILL)
            assert anyio.run(beside, recorder, batch(done))[0]
            server.stop()
            server.start()
            anyio.run(recorder.record, batch(done))
            done += 1
        wanted = [finding(0, n).id for n in range(1, done * EACH + 1)]
        assert Counter(ids(server.url)) == Counter(wanted)
