"""The trainer: which trainings are due, each request once, and children that have limits."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.clock import Clock
from agents.coordinator.trainer import Trainer
from agents.coordinator.trainerrequests import Requests
from agents.parts import Context, Log, Program
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.errors import Unavailable
from contracts.events import (
    AnyEvent,
    DriftDetected,
    Event,
    Evidence,
    ModelTrained,
    ReadingsAccepted,
    TrainingFailed,
    TrainingRequested,
)
from contracts.frames import encode
from contracts.identity import home_of
from contracts.instants import SECOND
from contracts.readings import Readings, Series
from contracts.training import TrainingPlan, TrainingSettings
from tests.acceptance.commands import wait_for

HOUR = 3_600 * SECOND
DAY = 24 * HOUR
MADE = {
    "bundle": "b" * 64,
    "name": "tocsin-detector-pumps",
    "model_version": "3",
    "run_id": "r1",
    "seconds": 1.5,
    "metrics": {"caught": 0.75},
}


def requests(**plan: Any) -> Requests:
    return Requests({"pumps": TrainingPlan(series="pump-*/*", range_days=2, **plan)})


def drift(time: int, asset: str = "pump-1") -> DriftDetected:
    about: dict[str, Any] = {"detector": "d", "bundle": "b", "feature_set": "f", "environment": "e", "reference": "r"}
    body: dict[str, Any] = {"effect": 1.0, "effect_low": 0.5, "effect_high": 2.0, "unit": "sd", "evidence_value": 2.0}
    evidence = Evidence(stream="readings.accepted", first=1, last=2)
    return DriftDetected.of(
        cause=f"{asset} {time}",
        time=time,
        asset=asset,
        channel="flow",
        kind="mean",
        direction="up",
        since=time,
        evidence=evidence,
        **about,
        **body,
    )


def ended(request: TrainingRequested) -> ModelTrained:
    body: dict[str, Any] = MADE
    return ModelTrained.of(
        cause=request.id, time=request.time, asset="trainer", plan=request.plan, request=request.id, **body
    )


# ---------------------------------------------------------------- what is due


def test_the_schedule_waits_for_a_whole_range_and_then_goes_by_the_time_of_the_readings() -> None:
    known = requests(every_h=24)
    assert list(known.due(newest=2 * DAY - 1, oldest=0)) == []
    first = list(known.due(newest=2 * DAY + 5, oldest=0))
    assert [(event.time, event.reason, event.plan) for event in first] == [(2 * DAY, "schedule", "pumps")]
    known.take(first[0])
    assert list(known.due(newest=3 * DAY - 1, oldest=0)) == []
    assert [event.time for event in known.due(newest=3 * DAY, oldest=0)] == [3 * DAY]


def test_whoever_looks_and_whenever_writes_the_same_request() -> None:
    one, other = requests(every_h=24), requests(every_h=24)
    assert next(one.due(2 * DAY + 5, 0)).id == next(other.due(2 * DAY + 7 * HOUR, -9)).id


def test_a_drift_leads_to_one_training_on_what_follows_it() -> None:
    known = requests(on_drift="automatic", drift_wait_h=6)
    for time in (10 * HOUR, 12 * HOUR):
        known.take(drift(time))
    assert list(known.due(15 * HOUR, 0)) == []
    (event,) = known.due(16 * HOUR, 0)
    assert (event.time, event.reason, event.finding) == (16 * HOUR, "drift", drift(10 * HOUR).id)
    known.take(event)
    assert list(known.due(30 * HOUR, 0)) == [], "the second drift lies in the range of the first"
    assert [each.id for each in known.open()] == [event.id]
    known.take(drift(40 * HOUR))
    assert [each.time for each in known.due(46 * HOUR, 0)] == [46 * HOUR]


@pytest.mark.parametrize(("policy", "written", "run"), [("never", 0, 0), ("propose", 1, 0), ("automatic", 1, 1)])
def test_what_a_drift_may_do_is_the_plans_choice(policy: Any, written: int, run: int) -> None:
    known = requests(on_drift=policy, drift_wait_h=0)
    known.take(drift(DAY))
    due = list(known.due(DAY, 0))
    for event in due:
        known.take(event)
    assert (len(due), len(list(known.open()))) == (written, run)


def test_drift_of_other_series_is_none_of_the_plans_business() -> None:
    known = requests(on_drift="automatic", drift_wait_h=0)
    known.take(drift(DAY, asset="fan-1"))
    assert list(known.due(DAY, 0)) == []
    assert known.drifts == {}


# ---------------------------------------------------------------- doing it


class Site:
    """A log in memory with a trainer on it, whose child is a line of Python."""

    def __init__(self, folder: Path, code: str, **training: Any) -> None:
        self.bus = MemoryBus(2)
        plan = TrainingPlan(range_days=1)
        self.settings = TrainingSettings(plans={"pumps": plan}, memory_mb=None, **training)
        self.folder, self.code, self.now = folder, code, 0.0

    def trainer(self) -> Trainer:
        made = Trainer(training=self.settings)
        program = Program([sys.executable, "-c", self.code], ["--config", "x"], dict(os.environ))
        made.prepare(Context("coordinator", self.folder, program=program))
        made._clock = Clock(monotonic_s=lambda: self.now)
        return made

    async def put(self, *events: Event) -> None:
        for event in events:
            place = Place(event.stream, home_of(event.stream, 2))
            await self.bus.append(place, list(encode([event], "test")))

    async def readings(self) -> None:
        columns: dict[str, Any] = {"code": [0, 0], "time": [0, DAY], "value": [1.0, 2.0], "position": [1, 2]}
        arrays: dict[str, Any] = {name: np.array(values) for name, values in columns.items()}
        batch: AnyEvent = ReadingsAccepted(Readings.of((Series("s", "pump-1", "flow"),), **arrays))
        await self.bus.append(Place("readings.accepted", 0), list(encode([batch], "test")))

    async def look(self, trainer: Trainer) -> Sequence[Event]:
        return await trainer.tend(Log(recorded=self.bus, positions=[], now_ns=0))

    async def until(self, trainer: Trainer) -> Event:
        """Look until something is told."""
        for _ in range(4000):
            if told := await self.look(trainer):
                return told[0]
            await _pause()
        raise AssertionError("nothing was told")


async def _pause() -> None:
    import anyio

    await anyio.sleep(0.01)


def request(plan: str = "pumps", time: int = DAY) -> TrainingRequested:
    return TrainingRequested.of(cause=plan, time=time, asset="test", plan=plan, reason="asked", by="test")


def saying(text: str, code: int = 0) -> str:
    return f"import sys; sys.stdout.write({text!r}); sys.stderr.write('tocsin: why it ended\\n'); sys.exit({code})"


async def test_a_request_is_carried_out_once(tmp_path: Path) -> None:
    count = tmp_path / "count"
    site = Site(tmp_path, f"open({str(count)!r}, 'a').write('x')\n{saying(json.dumps(MADE))}")
    trainer = site.trainer()
    await site.put(request())
    told = await site.until(trainer)
    assert isinstance(told, ModelTrained)
    assert (told.request, told.bundle, told.metrics) == (request().id, MADE["bundle"], MADE["metrics"])
    assert list(await site.look(trainer)) == [told], "what may have got lost is told again, and not done again"
    await site.put(told)
    assert list(await site.look(trainer)) == []
    assert list(await site.look(site.trainer())) == [], "another process reads that it is done"
    assert count.read_text() == "x"


async def test_what_the_child_is_asked_to_do(tmp_path: Path) -> None:
    argv = str(tmp_path / "argv")
    site = Site(tmp_path, f"import sys; open({argv!r}, 'w').write(' '.join(sys.argv[1:]))\n{saying(json.dumps(MADE))}")
    await site.put(request())
    await site.until(site.trainer())
    assert (tmp_path / "argv").read_text() == (
        f"train pumps --request-id {request().id} --to 1970-01-02T00:00:00Z --json --config x"
    )


async def test_a_training_that_fails_ends_its_request_with_the_reason(tmp_path: Path) -> None:
    site = Site(tmp_path, saying("", 65))
    await site.put(request())
    told = await site.until(site.trainer())
    assert isinstance(told, TrainingFailed)
    assert told.error == "exit code 65: why it ended"
    assert told.request == request().id


async def test_what_is_down_is_waited_for(tmp_path: Path) -> None:
    site = Site(tmp_path, saying("", Unavailable.exit_code))
    trainer = site.trainer()
    await site.put(request())
    with pytest.raises(Unavailable, match="why it ended"):
        await site.until(trainer)
    trainer._program = Program([sys.executable, "-c", saying(json.dumps(MADE))], [], {})
    assert isinstance(await site.until(trainer), ModelTrained)


async def test_a_training_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    site = Site(tmp_path, "import time; time.sleep(600)", limit_s=60)
    trainer = site.trainer()
    await site.put(request())
    assert list(await site.look(trainer)) == []
    process = trainer._child.process if trainer._child else None
    assert process is not None
    site.now = 59.0
    assert list(await site.look(trainer)) == []
    assert process.poll() is None
    site.now = 61.0
    (told,) = await site.look(trainer)
    assert isinstance(told, TrainingFailed)
    assert "60 s, the limit" in told.error
    assert process.poll() == -signal.SIGKILL


async def test_an_unknown_plan_and_a_result_that_is_none_are_failures(tmp_path: Path) -> None:
    site = Site(tmp_path, saying('{"bundle": 7}'))
    await site.put(request("fans"))
    unknown = await site.until(site.trainer())
    assert isinstance(unknown, TrainingFailed)
    assert "no training plan 'fans'" in unknown.error
    await site.put(unknown, request())
    wrong = await site.until(site.trainer())
    assert isinstance(wrong, TrainingFailed)
    assert "cannot be read" in wrong.error


async def test_the_schedule_is_written_down_before_it_is_followed(tmp_path: Path) -> None:
    site = Site(tmp_path, saying(json.dumps(MADE)))
    plan = replace_plan(site, every_h=24.0)
    await site.readings()
    trainer = site.trainer()
    (asked,) = await site.look(trainer)
    assert isinstance(asked, TrainingRequested)
    assert (asked.time, plan.every_ns) == (DAY, DAY)
    await site.put(asked)
    assert isinstance(await site.until(trainer), ModelTrained)


def replace_plan(site: Site, **changes: Any) -> TrainingPlan:
    plan = site.settings.plans["pumps"].model_copy(update=changes)
    site.settings = site.settings.model_copy(update={"plans": {"pumps": plan}})
    return plan


@pytest.mark.skipif(sys.platform != "linux", reason="a child is tied to its parent on Linux only")
def test_the_child_steps_back_and_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from agents.coordinator.trainerchild import Child;"
        "from agents.parts import Program; from contracts.training import TrainingSettings; import os;"
        "child = Child.start(Program([sys.executable, '-c', 'import time; time.sleep(600)'], [], {}), [],"
        f" Path({str(tmp_path)!r}), TrainingSettings(), name='one', now_s=0.0);"
        "print(child.process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout
            pid = int(parent.stdout.readline())
            assert os.getpriority(os.PRIO_PROCESS, pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert str(2048 << 20) in next(line for line in limits.splitlines() if line.startswith("Max data"))
        finally:
            parent.kill()
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())
