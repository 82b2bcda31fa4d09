"""The doctor against a real server: it finds every fault that is planted, and none where none is."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import redis

from agents.clock import Clock
from bus.embedded import EmbeddedServer, _binary
from bus.protocol import Bus, Commit, Place
from console.checks.finding import Finding
from console.checks.scene import Limits
from console.cli import main
from console.doctor import REAL, examination
from console.options import Choices
from contracts.errors import Unavailable
from contracts.events import AnyEvent, DeadLettered, NotificationDue, PartitionStopped, ReadingsAcquired
from contracts.frames import encode
from contracts.readings import Readings, Series
from tests.integration.faults import assert_told
from tests.logs import on_bus

CONFIG = """
bus: {partitions: 2}
agents:
  acquisition: {sources: {push: {kind: http}}}
  validation: {}
  notification: {sinks: {file: {kind: file, path: alerts.jsonl}}}
"""
TASK = "validation<readings.acquired"
HEALTHY = Limits(free_bytes=1, free_share=0.0, patience_s=0.3, timeout_s=3.0)


@dataclass
class Home:
    """A data directory with a running server and a log."""

    data_dir: Path
    config: Path
    server: EmbeddedServer

    @property
    def choices(self) -> Choices:
        return Choices(self.config, self.data_dir)

    def redis(self, *command: str | int) -> Any:
        with redis.Redis(unix_socket_path=str(self.server.socket)) as client:
            return client.execute_command(*command)

    def on_bus(self, act: Callable[[Bus], Any]) -> Any:
        return on_bus(self.config, self.data_dir, self.server.url, act)

    def append(self, *events: AnyEvent) -> None:
        async def act(bus: Bus) -> None:
            for event in events:
                await bus.append(Place(event.stream, 0), list(encode([event], "test")))

        self.on_bus(act)


@contextmanager
def made(folder: Path) -> Iterator[Home]:
    """One with an empty log."""
    data_dir, config = folder / "d", folder / "tocsin.yaml"
    data_dir.mkdir(mode=0o700)
    config.write_text(CONFIG)
    with EmbeddedServer(data_dir / "redis", maxmemory_mb=64) as server:
        home = Home(data_dir, config, server)
        home.append()
        yield home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with made(tmp_path) as home:
        yield home


def look(choices: Choices, limits: Limits = HEALTHY, now: Clock = REAL, quick: bool = False) -> dict[str, Finding]:
    found = anyio.run(partial(examination, choices, quick, limits, now))
    assert len({finding.check for finding in found}) == len(found), "each check once"
    return {finding.check: finding for finding in found}


def wrong(findings: dict[str, Finding]) -> dict[str, str]:
    """Check -> status of everything that the doctor minds."""
    return {name: finding.status for name, finding in findings.items() if finding.status in ("warn", "fail")}


def readings(count: int, time_ns: int | None = None, source: str = "push") -> ReadingsAcquired:
    series = [Series(source, "pump-1", "flow")]
    times = np.full(count, time.time_ns() if time_ns is None else time_ns, np.int64)
    zeros = np.zeros(count, np.int32)
    return ReadingsAcquired(Readings.of(series, zeros, times, np.ones(count), np.arange(count, dtype=np.int64)))


def read_all(position: str) -> Callable[[Bus], Any]:
    async def act(bus: Bus) -> None:
        await bus.fence(0, TASK, 1)
        await bus.commit(Commit(0, TASK, 1, await bus.position(0, TASK), position))

    return act


def assert_useful(finding: Finding) -> None:
    """A finding says what there is, why, and what to do."""
    assert finding.found
    assert finding.cause
    assert finding.mend


# ---------------------------------------------------------------- nothing planted


def test_a_healthy_service_has_no_finding(home: Home) -> None:
    home.append(readings(5))
    home.on_bus(read_all("5"))
    findings = look(home.choices)
    assert wrong(findings) == {}
    looked_at = {name for name, finding in findings.items() if finding.status == "ok"}
    assert looked_at >= {
        *("config", "python", "clock", "data-dir", "permissions", "disk", "embedded-server", "orphans", "redis"),
        *("redis.version", "redis.password", "redis.role", "redis.persistence", "redis.eviction", "redis.memory"),
        *("redis.clock", "redis.store", "log.lag", "log.dead-letters", "log.age"),
    }


def test_a_fresh_data_directory_has_no_finding(tmp_path: Path) -> None:
    findings = look(Choices(data_dir=tmp_path / "new"))
    assert wrong(findings) == {}
    assert findings["embedded-server"].status == findings["redis"].status == "skip"
    assert not (tmp_path / "new").exists(), "looking changes nothing"


def test_a_stopped_service_has_no_finding(home: Home) -> None:
    home.server.stop()
    findings = look(home.choices)
    assert wrong(findings) == {}
    assert findings["embedded-server"].status == "skip"


def test_quick_asks_neither_mlflow_nor_the_log(home: Home) -> None:
    home.append(readings(5))
    findings = look(Choices(home.config, home.data_dir, mlflow="http://127.0.0.1:1"), quick=True)
    assert wrong(findings) == {}
    assert findings["mlflow"].status == "skip"
    assert "log.lag" not in findings
    assert findings["redis.persistence"].status == "ok"


# ---------------------------------------------------------------- the server


def test_another_number_of_partitions_is_an_error_of_the_configuration(home: Home) -> None:
    home.config.write_text(CONFIG.replace("partitions: 2", "partitions: 4"))
    findings = look(home.choices)
    assert wrong(findings) == {"redis.store": "fail"}
    assert findings["redis.store"].exit_code == 78
    assert "2 partitions" in findings["redis.store"].found


def test_a_server_that_anybody_can_reach_needs_a_password(home: Home) -> None:
    port = free_port()
    home.redis("CONFIG", "SET", "port", port)
    assert wrong(look(Choices(home.config, home.data_dir, redis=f"redis://127.0.0.1:{port}"))) == {}
    findings = look(Choices(home.config, home.data_dir, redis=f"redis://0.0.0.0:{port}"))
    assert wrong(findings) == {"redis.password": "fail"}
    assert_useful(findings["redis.password"])
    home.redis("CONFIG", "SET", "requirepass", "canary-5f3a")
    guarded = look(Choices(home.config, home.data_dir, redis=f"redis://:canary-5f3a@0.0.0.0:{port}"))
    assert wrong(guarded) == {}
    assert "canary" not in str(guarded)


def test_a_server_that_hangs_is_found_in_bounded_time(home: Home) -> None:
    begun = time.monotonic()
    os.kill(home.server.pid, signal.SIGSTOP)
    try:
        findings = look(home.choices)
    finally:
        os.kill(home.server.pid, signal.SIGCONT)
    finding = assert_told(findings, "a server that hangs", also=["redis"])
    assert str(home.server.pid) in finding.mend
    assert time.monotonic() - begun < 30


# ---------------------------------------------------------------- the log


def test_a_task_that_stands_still_is_found(home: Home) -> None:
    home.append(readings(7))
    findings = look(home.choices)
    assert_told(findings, "a task that stands still")


def test_a_sink_that_stands_still_is_found(home: Home) -> None:
    due = NotificationDue.of(
        cause="x", time=1, asset="pump-1", subject="s", body="b", severity="info", finding="x", key="k"
    )
    home.append(due)
    findings = look(home.choices)
    assert_told(findings, "a sink that stands still")


def test_a_task_that_moves_is_not_a_fault(home: Home) -> None:
    home.append(*(readings(1) for _ in range(200)))
    stop = threading.Event()

    def work() -> None:
        for position in range(1, 200):
            if not stop.wait(0.02):
                home.on_bus(read_all(str(position)))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        findings = look(home.choices, Limits(free_bytes=1, free_share=0.0, patience_s=1.0))
    finally:
        stop.set()
        worker.join()
    assert wrong(findings) == {}
    assert "events behind" in findings["log.lag"].found


def test_a_task_that_moves_but_is_far_behind_is_found(home: Home) -> None:
    home.append(readings(500))
    home.on_bus(read_all("100"))
    limits = Limits(free_bytes=1, free_share=0.0, patience_s=0.0, lag_events=399)
    assert_told(look(home.choices, limits), "a task that is far behind")


def test_dead_letters_are_found_with_the_newest_reason(home: Home) -> None:
    home.append(*(letter(f"boom {number}", number) for number in (1, 2)))
    findings = look(home.choices)
    assert_told(findings, "dead letters")


def test_a_task_that_stands_still_is_found_until_it_moves(home: Home) -> None:
    home.append(readings(5))
    home.on_bus(read_all("3"))
    about: dict[str, Any] = {
        "agent": TASK,
        "owner": "o",
        "origin": "readings.acquired",
        "position": 3,
        "error": "Diverged: x",
    }
    home.append(PartitionStopped.of(cause="c", time=1, asset=TASK, **about))
    assert_told(look(home.choices), "a task that stopped", also=["log.lag"])
    home.on_bus(read_all("5"))
    assert look(home.choices)["log.stopped"].status == "ok"


def test_readings_from_the_future_are_found(home: Home) -> None:
    home.append(readings(1, time.time_ns() + 86_400 * 10**9))
    home.on_bus(read_all("1"))
    findings = look(home.choices)
    assert_told(findings, "readings from the future")


def test_a_simulated_plant_may_be_ahead_of_time(home: Home) -> None:
    home.append(readings(1, time.time_ns() + 86_400 * 10**9, source="sim-plant"))
    home.on_bus(read_all("1"))
    assert wrong(look(home.choices)) == {}


def letter(reason: str, time: int) -> DeadLettered:
    return DeadLettered.of(
        cause="readings.acquired/1",
        time=time,
        asset="validation",
        discriminator=reason,
        agent="validation",
        origin="readings.acquired",
        position=1,
        reason=reason,
        frame={},
    )


# ---------------------------------------------------------------- the data directory


def test_a_full_disk_is_found(home: Home) -> None:
    findings = look(home.choices, Limits(free_bytes=2**62, patience_s=0.3))
    assert wrong(findings) == {"disk": "warn"}
    by_share = look(home.choices, Limits(free_bytes=1, free_share=1.01, patience_s=0.3))
    assert wrong(by_share) == {"disk": "warn"}


def test_files_of_the_server_that_are_gone_are_found_before_it_starts_empty(home: Home) -> None:
    home.server.stop()
    shutil.rmtree(home.data_dir / "redis" / "appendonlydir")
    findings = look(home.choices)
    assert_told(findings, "files of the log that are gone")


def test_a_damaged_file_of_the_server_is_found_with_the_line_that_mends_it(home: Home) -> None:
    home.append(readings(3))
    home.server.stop()
    file = next((home.data_dir / "redis" / "appendonlydir").glob("*.incr.aof"))
    file.write_bytes(file.read_bytes() + b"\0" * 64)
    process = subprocess.run(
        [_binary(), *home.server._options, "--unixsocket", str(home.server.socket)], check=False, timeout=30
    )
    assert process.returncode != 0, "the fault must be one on which the server does not start"
    findings = look(home.choices)
    assert_told(findings, "a damaged file of the log")
    line = shlex.split(findings["embedded-server"].mend.partition("then: ")[2])
    subprocess.run(line, check=True, input=b"y\n", stdout=subprocess.DEVNULL, timeout=30)
    home.server.start()
    assert wrong(look(home.choices)).keys() == {"log.lag"}, "nobody reads in this test"
    assert home.redis("HGET", "tocsin:{0}:ledger", "end:readings.acquired") == b"3"


@pytest.mark.parametrize("where", ["middle", "tail"])
def test_zeros_in_the_middle_are_mended_up_to_there_and_a_cut_tail_needs_no_mending(home: Home, where: str) -> None:
    for count in (3, 4, 5):
        home.append(readings(count))
    home.server.stop()
    file = next((home.data_dir / "redis" / "appendonlydir").glob("*.incr.aof"))
    data = file.read_bytes()
    half = data.rindex(b"readings.acquired", 0, data.rindex(b"readings.acquired"))
    file.write_bytes(data[: len(data) - 5] if where == "tail" else data[:half] + b"\0" * 64 + data[half + 64 :])
    if where == "middle":
        with pytest.raises(Unavailable, match="did not start"):
            home.server.start()
        home.server.stop()
        line = shlex.split(look(home.choices)["embedded-server"].mend.partition("then: ")[2])
        subprocess.run(line, check=True, input=b"y\n", stdout=subprocess.DEVNULL, timeout=30)
    home.server.start()
    assert wrong(look(home.choices)).keys() == {"log.lag"}, "nobody reads in this test"
    assert home.redis("HGET", "tocsin:{0}:ledger", "end:readings.acquired") in (b"3", b"7"), (
        "what was before the damage"
    )


def test_a_list_of_files_that_is_gone_is_told_with_its_content(home: Home) -> None:
    home.append(readings(3))
    home.server.stop()
    manifest = home.data_dir / "redis" / "appendonlydir" / "appendonly.aof.manifest"
    content = manifest.read_text()
    manifest.unlink()
    found = assert_told(look(home.choices), "a list of files that is gone")
    subprocess.run(shlex.split(found.mend.partition("then: ")[2]), check=True, timeout=30)
    assert manifest.read_text().split() == content.split()
    home.server.start()
    assert home.redis("HGET", "tocsin:{0}:ledger", "end:readings.acquired") == b"3"


def left_behind(command: list[str]) -> int:
    """The process id of a command whose parent is gone."""
    script = "import subprocess as s, sys; print(s.Popen(sys.argv[1:], start_new_session=True, stdout=s.DEVNULL).pid)"
    done = subprocess.run(
        ["python3", "-c", script, *command], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return int(done.stdout.split()[0])


def wait_for(ready: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            ready()
        except (redis.ConnectionError, FileNotFoundError):
            assert time.monotonic() < deadline, "never ready"
            time.sleep(0.05)
        else:
            return


# ---------------------------------------------------------------- MLflow


@pytest.mark.parametrize(
    ("code", "body", "status"), [(200, '{"experiments": []}', "ok"), (500, "database", "fail"), (200, "hello", "fail")]
)
def test_mlflow_is_asked_for_something_in_its_database(home: Home, code: int, body: str, status: str) -> None:
    with answering(code, body) as (url, asked):
        findings = look(Choices(home.config, home.data_dir, mlflow=url))
    assert findings["mlflow"].status == status
    question = "/api/2.0/mlflow/experiments/search?max_results="
    # Its trainings are not asked for where it does not answer: one cause, one finding.
    assert asked == ([f"{question}1", "/version", f"{question}1000"] if status == "ok" else [f"{question}1"])


@contextmanager
def answering(code: int, body: str, version: str = "") -> Iterator[tuple[str, list[str]]]:
    """A server that always says the same, but its version."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            said = (version or body) if self.path == "/version" else body
            self.send_response(code)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing to standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


# ---------------------------------------------------------------- the command


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["doctor", *map(str, arguments)])
    assert isinstance(end.value.code, int)
    return end.value.code, capsys.readouterr().out


def test_json_is_a_list_with_the_six_keys(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = doctor(capsys, "--json", "--config", home.config, "--data-dir", home.data_dir)
    rows = json.loads(out)
    assert code == 0
    assert all(list(row) == ["check", "status", "found", "cause", "mend", "see"] for row in rows)
    assert {row["status"] for row in rows} <= {"ok", "warn", "skip"}
    assert "log.lag" in {row["check"] for row in rows}


def test_exit_code_69_when_something_is_not_available(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.redis("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    code, out = doctor(capsys, "--config", home.config, "--data-dir", home.data_dir)
    assert code == 69
    assert "maxmemory-policy volatile-lru" in out
    assert "CONFIG SET maxmemory-policy noeviction" in out


def test_exit_code_1_for_other_failures(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.data_dir.chmod(0o777)
    assert doctor(capsys, "--quick", "--config", home.config, "--data-dir", home.data_dir)[0] == 1


def test_exit_code_78_for_the_configuration_and_the_rest_is_still_looked_at(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.config.write_text("bus:\n  lease_s: -1\nagents:\n  validation:\n    nonsense: 1\n")
    code, out = doctor(capsys, "--json", "--config", home.config, "--data-dir", home.data_dir)
    rows = {row["check"]: row for row in json.loads(out)}
    assert code == 78
    assert f"{home.config}:2: bus.lease_s" in rows["config"]["cause"]
    assert f"{home.config}:5: agents.validation.nonsense" in rows["config"]["cause"]
    assert rows["data-dir"]["status"] == "ok"
    assert rows["redis"]["status"] == "skip"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
