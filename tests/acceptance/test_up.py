"""``tocsin up``: a service that is supervised, stops in order, and leaves nothing behind."""

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clusters import free_ports

from .commands import folder, processes, rows, start, tocsin, wait_for


@dataclass
class Service:
    """A service under test."""

    base: Path
    port: int
    pid: int

    @property
    def data_dir(self) -> Path:
        return self.base / "d"

    @property
    def config(self) -> Path:
        return self.base / "tocsin.yaml"

    def accepted(self, asset: str) -> list[float]:
        """The accepted values of an asset so far."""
        command = ("tail", "--once", "--json", "--stream", "readings.accepted", "--series", f"{asset}/*")
        return [row["value"] for row in rows(tocsin(*command, "--config", self.config, "--data-dir", self.data_dir))]

    def push(self, value: float, minute: int) -> int:
        """Push one reading; returns the HTTP status."""
        reading = {"asset": "pushed", "channel": "t", "time": f"2026-03-01T00:{minute:02d}:00Z", "value": value}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/readings",
            json.dumps(reading).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - our own loopback address
            return int(reply.status)

    def child(self, agent: str) -> int:
        """The pid of the child that runs an agent; 0 while there is none."""
        lines = processes(self.data_dir).items()
        return next((pid for pid, line in lines if " up " in line and f" {agent} " in line and "--owner" in line), 0)

    def listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def serving() -> Iterator[Service]:
    with folder() as base:
        (port,) = free_ports(1)
        (base / "grow.csv").write_text("time,a\n2026-03-01T00:00:00Z,1\n")
        config = {
            "acquisition": {
                "sources": {
                    "push": {"kind": "http", "port": port},
                    "grow": {"kind": "follow", "path": str(base / "grow.csv"), "asset": "grown", "poll_s": 0.1},
                }
            },
            "validation": {},
            "anomaly": {},
            "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
            "coordinator": {},
        }
        (base / "tocsin.yaml").write_text(json.dumps({"agents": config}))
        process = start("up", "--config", base / "tocsin.yaml", "--data-dir", base / "d")
        service = Service(base, port, process.pid)
        try:
            wait_for(service.listens)
            yield service
        finally:
            process.kill()
            process.communicate(timeout=30)


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as running:
        yield running


def test_pushed_and_appended_readings_arrive_and_sigterm_ends_everything_with_zero() -> None:
    with serving() as service:
        assert service.push(21.5, 1) in (200, 202)
        with (service.base / "grow.csv").open("a") as file:
            file.write("2026-03-01T00:01:00Z,2\n2026-03-01T00:02:00Z,")
        wait_for(lambda: service.accepted("pushed") == [21.5])
        wait_for(lambda: service.accepted("grown") == [1.0, 2.0])
        os.kill(service.pid, signal.SIGTERM)
        _, status = wait_for(lambda: (ended := os.waitpid(service.pid, os.WNOHANG))[0] and ended)
        assert os.waitstatus_to_exitcode(status) == 0
        assert processes(service.data_dir) == {}


def test_a_killed_child_is_started_again_and_nothing_that_was_confirmed_is_lost(service: Service) -> None:
    assert service.push(1.0, 1) in (200, 202)
    first = wait_for(lambda: service.child("anomaly"))
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: (pid := service.child("anomaly")) != first and pid)
    assert second != first
    wait_for(service.listens)
    assert service.push(2.0, 2) in (200, 202)
    wait_for(lambda: service.accepted("pushed") == [1.0, 2.0])


def test_a_killed_server_is_started_again_and_the_log_goes_on(service: Service) -> None:
    assert service.push(1.0, 1) in (200, 202)
    server = next(pid for pid, line in processes(service.data_dir).items() if "valkey-server" in line)
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: any("valkey-server" in line for pid, line in processes(service.data_dir).items() if pid != server))

    def pushed() -> bool:
        try:
            return service.push(2.0, 2) in (200, 202)
        except OSError:
            return False

    wait_for(pushed)
    wait_for(lambda: service.accepted("pushed") == [1.0, 2.0])


def test_nothing_outlives_a_killed_supervisor(service: Service) -> None:
    wait_for(lambda: service.child("coordinator") and service.child("anomaly"))
    os.kill(service.pid, signal.SIGKILL)
    os.waitpid(service.pid, 0)
    assert wait_for(lambda: not processes(service.data_dir), 60)


def test_a_second_service_on_the_same_folder_is_refused(service: Service) -> None:
    assert tocsin("up", "--config", service.config, "--data-dir", service.data_dir, code=69) == ""


def test_an_agent_that_nobody_feeds_is_a_config_error_with_file_and_line(tmp_path: Path) -> None:
    config = tmp_path / "tocsin.yaml"
    config.write_text("agents:\n  anomaly: {}\n")
    process = start("up", "--config", config, "--data-dir", tmp_path / "d")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 78
    assert f"{config}:2:" in errors
    assert "reads ReadingsAccepted, which no enabled agent writes" in errors
