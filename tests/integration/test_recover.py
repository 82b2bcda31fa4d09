"""``tocsin recover``: real faults are planted in an installation with a real server, and mended by the command."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from agents.coordinator.index import AlertIndex, catch_up
from agents.coordinator.trainer import Trainer
from agents.health import processes
from agents.letters import open_letters
from agents.parts import Context, Log, Program
from agents.runtime.home import dead_letter
from agents.runtime.sinks.notices import Tried, sent
from bus.embedded import EmbeddedServer, _binary
from bus.history import history_of
from bus.protocol import Bus, Commit, Place, Snapshot
from bus.redis.bus import RedisBus
from console import recover as command
from console.checks.scene import Limits
from console.cli import main
from console.doctor import examination
from contracts.errors import CorruptEvent
from contracts.events import Event, PartitionStopped, RecoveryStepTaken, TrainingFailed, TrainingRequested
from contracts.frames import encode
from contracts.identity import home_of
from contracts.instants import SECOND
from contracts.settings import load
from contracts.training import TrainingPlan, TrainingSettings
from tests.acceptance.commands import wait_for
from tests.integration.test_doctor import left_behind
from tests.logs import on_bus
from tests.unit.runtime.counting import of_type
from tests.unit.runtime.test_sinking import STREAM, due

CONFIG = """
bus: {partitions: 2}
training: {plans: {pumps: {series: "pump-*/*"}}}
agents:
  acquisition: {sources: {push: {kind: http}}}
  validation: {}
  anomaly: {}
  notification: {sinks: {file: {kind: file, path: alerts.jsonl}}}
"""
SINK = "notification.file"
TASK = "validation<readings.acquired"
SNAPSHOT = f"tocsin:{{0}}:snapshot:{TASK}"


@dataclass
class Site:
    """A data directory with a running server, and what the command says about it."""

    base: Path
    server: EmbeddedServer
    capsys: pytest.CaptureFixture[str]

    @property
    def data_dir(self) -> Path:
        return self.base / "d"

    def on_bus(self, act: Callable[[RedisBus], Any]) -> Any:
        return on_bus(self.base / "tocsin.yaml", self.data_dir, self.server.url, act)

    def append(self, event: Event, partition: int = 0) -> None:
        async def act(bus: Bus) -> None:
            await bus.append(Place(event.stream, partition), list(encode([event], "test")))

        self.on_bus(act)

    def bury(self, subject: str, error: Exception, at: int = 0) -> str:
        fields = next(iter(encode([due(subject)], "notifier"))).fields()
        when = time.time_ns() - 60 * SECOND
        letter = dead_letter(SINK, Place(STREAM, 0), 1, fields, error, tries=3, time=when, at=at)
        self.append(letter)
        return letter.id

    def delivered(self, ago_s: int = 0) -> None:
        """The sink took something: whatever was wrong with it before is over."""
        (event,) = sent(SINK, due("later"), Tried(1, 2.0), time.time_ns() - ago_s * SECOND)
        assert isinstance(event, Event)
        self.append(event)

    def open(self) -> set[str]:
        async def act(bus: Bus) -> set[str]:
            return {letter.about.id for letter in await open_letters(bus)}

        found: set[str] = self.on_bus(act)
        return found

    def saved(self, task: str = TASK) -> None:
        async def act(bus: Bus) -> None:
            token = await bus.acquire(0, task, "test", seen=None)
            assert token
            await bus.fence(0, task, token)
            await bus.save(0, task, token, Snapshot("", b"state", {}, "m"))

        self.on_bus(act)

    def told(self, kind: type[Event]) -> list[Any]:
        found: list[Any] = self.on_bus(partial(of_type, kind=kind))
        return found

    def recover(self, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit code, and each step by its name."""
        where = ("--config", str(self.base / "tocsin.yaml"), "--data-dir", str(self.data_dir), "--json")
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["recover", *where, *arguments])
        found = json.loads(self.capsys.readouterr().out)
        return int(end.value.code or 0), {row["step"]: row for row in found}

    def tree(self) -> dict[str, str]:
        """Every file with a digest of its bytes; the server's own change by themselves."""
        files = [
            path for path in self.base.rglob("*") if path.is_file() and self.data_dir / "redis" not in path.parents
        ]
        return {str(path): blake2b(path.read_bytes()).hexdigest() for path in files}

    def ends(self) -> Any:
        return self.server_call("KEYS", "*"), self.on_bus(
            lambda bus: bus.ends([Place(s, n) for s in STREAMS for n in (0, 1)])
        )

    def server_call(self, *command: str | bytes) -> Any:
        async def act(bus: RedisBus) -> Any:
            found = await bus._server.call(*command)
            return sorted(found) if isinstance(found, list) else found

        return self.on_bus(act)


STREAMS = ("dead-letters", "deliveries", "lifecycle", "notifications", "training")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    # The doctor's patience with a task that stands still, and its demands on this machine's disk, are tested elsewhere.
    limits = Limits(free_bytes=1, free_share=0.0, patience_s=0.1)
    monkeypatch.setattr(command, "examination", partial(examination, limits=limits))
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "tocsin.yaml").write_text(CONFIG)
    with EmbeddedServer(tmp_path / "d" / "redis", maxmemory_mb=64) as server:
        site = Site(tmp_path, server, capsys)
        site.on_bus(lambda bus: bus.check())
        yield site


def test_a_healthy_installation_is_left_as_it_is(site: Site) -> None:
    site.saved()
    before = site.tree(), site.ends()
    assert site.recover("--dry-run") == (0, {})
    assert site.recover() == (0, {})
    assert site.recover("--yes") == (0, {})
    assert (site.tree(), site.ends()) == before


def planted(site: Site) -> None:
    """One fault of each kind that is mended unasked."""
    site.bury("full", OSError(28, "No space left on device"))
    site.saved()
    site.server_call("HSET", SNAPSHOT, "data", "other")
    half = site.data_dir / "metrics" / "x.draft"
    half.parent.mkdir()
    half.write_text("{")
    os.utime(half, (1, 1))


def test_a_dry_run_shows_each_step_and_changes_nothing(site: Site) -> None:
    planted(site)
    before = site.tree(), site.ends()
    code, steps = site.recover("--dry-run")
    assert code == 1
    assert {name: step["outcome"] for name, step in steps.items()} == dict.fromkeys(
        ("leftovers", "snapshots", "redrive"), "planned"
    )
    assert all(step["safe"] and step["wrong"] and step["action"] and step["command"] for step in steps.values())
    assert (site.tree(), site.ends()) == before


def test_what_is_safe_is_done_once_and_told(site: Site) -> None:
    planted(site)
    code, steps = site.recover()
    assert (code, steps.pop("log.lag")["outcome"]) == (1, "people"), "no agent runs to handle what was given back"
    assert {name: step["outcome"] for name, step in steps.items()} == dict.fromkeys(
        ("leftovers", "snapshots", "redrive"), "done"
    )
    assert not (site.data_dir / "metrics" / "x.draft").exists()
    assert not site.open()
    assert site.server_call("EXISTS", SNAPSHOT) == 0
    assert site.server_call("HGET", f"{SNAPSHOT}:damaged", "data") == b"other", "set aside, not lost"
    told = site.told(RecoveryStepTaken)
    assert sorted((event.step, event.outcome, event.level) for event in told) == [
        (name, "done", 2) for name in ("leftovers", "redrive", "snapshots")
    ]
    assert all(event.by for event in told)
    assert set(site.recover()[1]) == {"log.lag"}, "nothing is left that can be done"
    assert len(site.told(RecoveryStepTaken)) == len(told)


def test_a_file_that_a_process_holds_stays(site: Site) -> None:
    half = site.data_dir / "training" / "r.log"
    half.parent.mkdir()
    with half.open("w"):
        os.utime(half, (1, 1))
        assert site.recover() == (0, {})
    assert half.exists()
    assert site.recover()[1]["leftovers"]["outcome"] == "done"
    assert not half.exists()


# ---------------------------------------------------------------- dead letters


def test_letters_go_back_when_their_sink_works_again(site: Site) -> None:
    site.bury("down", ConnectionError("nobody answers"))
    site.delivered(ago_s=3_600)
    code, steps = site.recover()
    assert (code, steps["dead-letters"]["outcome"]) == (1, "people"), "nothing says that it is over"
    site.delivered()
    code, steps = site.recover()
    assert (steps["redrive"]["outcome"], set(steps) - {"log.lag"}, site.open()) == ("done", {"redrive"}, set())


@pytest.mark.parametrize(
    ("error", "at"),
    [(ValueError("not a number"), 0), (ConnectionError("nobody answers"), 7)],
    ids=["code", "came back"],
)
def test_letters_that_would_come_again_are_left_to_people(site: Site, error: Exception, at: int) -> None:
    name = site.bury("bad", error, at)
    site.delivered()
    code, steps = site.recover("--yes")
    assert (code, steps["dead-letters"]["outcome"], site.open()) == (1, "people", {name})


def test_a_letter_that_nobody_can_read_is_dropped_after_a_yes(site: Site) -> None:
    fields = {**next(iter(encode([due("x")], "notifier"))).fields(), b"b": b"other bytes"}
    letter = dead_letter(SINK, Place(STREAM, 0), 1, fields, CorruptEvent("digest"), tries=1, time=time.time_ns())
    site.append(letter)
    code, steps = site.recover()
    assert (code, steps["drop"]["outcome"], site.open()) == (3, "unconfirmed", {letter.id})
    assert site.recover("--yes")[0] == 0
    assert not site.open()


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1)])
def test_somebody_at_a_terminal_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch, answer: str, left: int) -> None:
    fields = {**next(iter(encode([due("x")], "notifier"))).fields(), b"b": b"other bytes"}
    letter = dead_letter(SINK, Place(STREAM, 0), 1, fields, CorruptEvent("digest"), tries=1, time=time.time_ns())
    site.append(letter)
    terminal = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    code, steps = site.recover()
    expected = ("unconfirmed", 1, 3) if left else ("done", 0, 0)
    assert (steps["drop"]["outcome"], len(site.open()), code) == expected


# ---------------------------------------------------------------- partitions, index, processes


def test_a_stopped_partition_is_reset_after_a_yes(site: Site) -> None:
    site.saved()

    async def moved(bus: Bus) -> None:
        await bus.commit(Commit(0, "other<x", 0, "", "1", []))

    site.on_bus(moved)
    stopped = PartitionStopped.of(
        cause="x", time=1, asset=TASK, agent=TASK, owner="o", origin="readings.acquired", position=0, error="it differs"
    )
    site.append(stopped)
    code, steps = site.recover()
    step = f"reset.{TASK}.0"
    assert (code, steps[step]["outcome"], site.server_call("EXISTS", SNAPSHOT)) == (3, "unconfirmed", 1)
    code, steps = site.recover("--yes")
    assert (steps[step]["outcome"], site.server_call("EXISTS", SNAPSHOT)) == ("done", 0)
    code, steps = site.recover("--yes")
    assert (code, steps["stopped"]["outcome"]) == (1, "people"), "it has to be started by somebody"


def test_a_damaged_index_is_begun_anew(site: Site) -> None:
    async def made(bus: RedisBus) -> Path:
        settings, _ = load(site.base / "tocsin.yaml", {"data_dir": site.data_dir})
        index = AlertIndex.open(site.data_dir / "index", bus.identity, lambda _: None)
        await catch_up(index, history_of(settings, bus))
        index.close()
        return Path(index.path)

    path = site.on_bus(made)
    assert site.recover() == (0, {})
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(4096) + whole[4196:])
    before = site.tree()
    assert site.recover("--dry-run")[1]["index"]["outcome"] == "planned"
    assert site.tree() == before
    assert site.recover()[1]["index"]["outcome"] == "done"
    assert site.on_bus(made) != path
    assert site.recover() == (0, {})


def test_an_orphan_server_is_ended_and_what_it_held_is_there(site: Site) -> None:
    site.bury("kept", ValueError("x"))
    site.server.stop()
    folder = site.data_dir / "redis"
    options = ["--port", "0", "--dir", str(folder), "--appendonly", "yes", "--unixsocket", str(site.server.socket)]
    pid = left_behind(["sh", "-c", f'cd "{folder}" && exec "$@"', "sh", str(_binary()), *options])
    try:
        wait_for(site.server.answers)
        code, steps = site.recover()
        assert steps["orphans"]["outcome"] == "done"
        assert str(pid) in steps["orphans"]["wrong"]
        assert steps["dead-letters"]["outcome"] == "people", "the log was looked at with a server of our own"
        assert code == 1
        assert not processes.runs(pid)
    finally:
        subprocess.run(["kill", "-9", str(pid)], check=False, stderr=subprocess.DEVNULL)
    site.server.start()
    assert len(site.open()) == 1
    assert [event.step for event in site.told(RecoveryStepTaken)] == ["orphans"]


# ---------------------------------------------------------------- training


def test_a_training_that_was_killed_is_asked_for_again(site: Site) -> None:
    """By the real trainer, whose child is killed; it begins again by itself after the request."""
    plans = TrainingSettings(plans={"pumps": TrainingPlan(series="pump-*/*")})
    trainer = Trainer(training=plans)
    program = Program([sys.executable, "-c", "import time; time.sleep(600)"], [], dict(os.environ))
    trainer.prepare(Context("coordinator", site.data_dir, program=program))
    request = TrainingRequested.of(cause="x", time=5, asset="trainer", plan="pumps", reason="asked", by="ann")
    place = Place("training", home_of("training", 2))
    site.append(request, place.partition)

    def tend() -> list[Any]:
        found: list[Any] = site.on_bus(lambda bus: _tended(trainer, bus))
        return found

    assert tend() == []
    assert trainer._child is not None
    assert site.recover() == (0, {}), "one that goes on is left alone"
    os.kill(trainer._child.process.pid, signal.SIGKILL)
    trainer._child.process.wait()
    (failed,) = tend()
    assert isinstance(failed, TrainingFailed)
    site.append(failed, place.partition)
    code, steps = site.recover()
    assert (code, steps["training.pumps"]["outcome"], steps["training.pumps"]["level"]) == (0, "done", 1)
    assert site.told(TrainingRequested)[-1].cause == failed.id, "asked for twice it is one request"
    assert site.recover() == (0, {}), "it is under way"
    assert tend() == []
    assert trainer._child is not None
    trainer._child.kill()


async def _tended(trainer: Trainer, bus: RedisBus) -> list[Any]:
    return list(await trainer.tend(Log(bus, [], time.time_ns())))


def test_a_training_without_readings_is_left_to_people(site: Site) -> None:
    request = TrainingRequested.of(cause="x", time=5, asset="trainer", plan="pumps", reason="asked", by="ann")
    failed = TrainingFailed.of(
        cause=request.id,
        time=5,
        asset="trainer",
        plan="pumps",
        request=request.id,
        seconds=1.0,
        error="there is no reading",
    )
    for event in (request, failed):
        site.append(event, home_of("training", 2))
    code, steps = site.recover("--yes")
    assert (code, steps["training"]["outcome"]) == (1, "people")


# ---------------------------------------------------------------- a log that is gone, and no backup of it


def test_a_log_without_a_backup_is_begun_anew_after_a_yes(site: Site) -> None:
    site.server.stop()
    (site.data_dir / "redis" / "appendonlydir").rename(site.base / "gone")
    code, steps = site.recover()
    assert (code, steps["start-over"]["outcome"], steps["start-over"]["level"]) == (3, "unconfirmed", 3)
    assert (site.data_dir / "store-id").exists()
    code, steps = site.recover("--yes")
    assert (code, steps["start-over"]["outcome"]) == (0, "done")
    assert not (site.data_dir / "store-id").exists()
    assert list(site.data_dir.glob("store-id.lost-*")), "set aside, not lost"
    assert site.recover() == (0, {})
    site.server.start()


def test_another_log_is_accepted_after_a_yes_and_not_while_the_service_runs(site: Site) -> None:
    site.server_call("HSET", "tocsin:store", "id", "other")
    server = ("--redis", site.server.url)
    assert site.recover("--yes")[1]["accept"]["outcome"] == "failed", "its server is under our feet"
    assert site.recover(*server)[1]["accept"]["outcome"] == "unconfirmed"
    assert site.recover("--yes", *server)[1]["accept"]["outcome"] == "done"
    assert (site.data_dir / "store-id").read_text() == "other\n"
