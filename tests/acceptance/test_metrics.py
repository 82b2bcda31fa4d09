"""``/metrics`` and ``/readyz`` of a real service: numbers move, a killed child resets its own, a hung server shows."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.clusters import free_ports

from .commands import Row, folder, processes, rows, start, tocsin, wait_for

TOKEN = "not-for-everybody"
TASK = "validation<readings.acquired"


@dataclass
class Service:
    """A service with a push source and an address for Prometheus."""

    base: Path
    push_port: int
    metrics_port: int

    @property
    def common(self) -> tuple[str, str, str, str]:
        return ("--config", str(self.base / "tocsin.yaml"), "--data-dir", str(self.base / "d"))

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; (0, "") while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=20) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> Row:
        status, text = self.get("/readyz")
        return {"status": status, **json.loads(text or "{}")}

    def value(self, name: str, **labels: str) -> float:
        """The sum of a metric over the series with these labels; 0 where there is none."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def read(self) -> float:
        return self.value("tocsin_events_read_total", process="pipeline", task=TASK)

    def acquired(self) -> float:
        """Readings that the push source of the present process wrote."""
        return self.value("tocsin_events_written_total", task="source:push", type="ReadingsAcquired")

    def done(self) -> float:
        """Readings and ticks that validation is done with."""
        return self.value("tocsin_position_events_total", task=TASK)

    def push(self, count: int) -> bool:
        """Push readings of a machine; False while nobody takes them."""
        readings = [
            {"asset": "m", "channel": "t", "time": f"2026-03-01T{n // 60:02d}:{n % 60:02d}:00Z", "value": n % 7}
            for n in range(count)
        ]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.push_port}/api/v1/readings",
            json.dumps(readings).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - our own loopback address
                return bool(reply.status in (200, 202))
        except OSError:
            return False

    def pid(self, *words: str) -> int:
        lines = processes(self.base / "d").items()
        return next((pid for pid, line in lines if all(word in line for word in words)), 0)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with folder() as base:
        push_port, metrics_port = free_ports(2)
        config = {
            "metrics": {"port": metrics_port},
            "agents": {
                "acquisition": {"sources": {"push": {"kind": "http", "port": push_port, "token": TOKEN}}},
                "validation": {},
                "anomaly": {},
                "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
            },
        }
        (base / "tocsin.yaml").write_text(json.dumps(config))
        process = start("up", "--config", base / "tocsin.yaml", "--data-dir", base / "d")
        found = Service(base, push_port, metrics_port)
        try:
            wait_for(lambda: found.ready()["status"] == 200)
            wait_for(lambda: found.push(1))
            yield found
        finally:
            process.kill()
            process.communicate(timeout=30)


def test_numbers_move_with_the_readings(service: Service) -> None:
    wait_for(lambda: service.acquired() == 1)
    done, read = service.done(), service.read()
    assert service.push(40)
    wait_for(lambda: service.acquired() == 41)
    wait_for(lambda: service.done() >= done + 40)
    wait_for(lambda: service.read() >= read + 40)
    wait_for(lambda: service.value("tocsin_lag_events", task=TASK) == 0)
    assert service.value("tocsin_commit_seconds_count", task=TASK) >= 1
    assert service.value("tocsin_commit_seconds_sum", task=TASK) > 0
    assert service.value("tocsin_recovery_seconds_count", task=TASK) == 8
    assert service.value("tocsin_server_up") == 1
    assert service.value("tocsin_process_resident_bytes", process="pipeline") > 10_000_000


def test_no_label_holds_an_asset_a_secret_or_an_owner(service: Service) -> None:
    text = service.get("/metrics")[1]
    assert len(text) > 1000
    assert TOKEN not in text
    assert socket.gethostname() + "/" not in text
    labels = {
        label for family in text_string_to_metric_families(text) for sample in family.samples for label in sample.labels
    }
    assert not labels & {"asset", "channel", "series", "owner", "partition", "error"}


def test_a_killed_child_begins_at_zero_and_what_the_log_tells_goes_on(service: Service) -> None:
    wait_for(lambda: service.read() > 0)
    assert service.push(30)
    wait_for(lambda: service.acquired() >= 30)
    done, restarts = service.done(), service.value("tocsin_child_restarts_total", process="pipeline")
    os.kill(service.pid(" up ", "validation", "--owner"), signal.SIGKILL)
    wait_for(lambda: service.value("tocsin_child_restarts_total", process="pipeline") == restarts + 1)
    wait_for(lambda: service.push(5))
    # Its own count is of this life alone: one that went on would be too high by what the last life had done.
    wait_for(lambda: service.acquired() == 5)
    wait_for(lambda: service.done() >= done + 5)
    wait_for(lambda: service.ready()["status"] == 200)


def test_a_server_that_hangs_shows_and_passes(service: Service) -> None:
    server = service.pid("valkey-server")
    os.kill(server, signal.SIGSTOP)
    try:
        found = wait_for(lambda: (said := service.ready())["status"] == 503 and said)
        assert found["state"] == "degraded"
        assert "Unavailable" in found["reasons"][0]
        assert service.get("/healthz")[0] == 200
        assert service.value("tocsin_server_up") == 0
        assert service.value("tocsin_process_start_time_seconds", process="pipeline") > 0
    finally:
        os.kill(server, signal.SIGCONT)
    wait_for(lambda: service.ready() == {"status": 200, "state": "ready", "reasons": []})
    wait_for(lambda: service.push(1))


def test_top_tells_of_commits_recoveries_and_processes(service: Service) -> None:
    *tasks, total = rows(tocsin("top", "--once", "--json", *service.common))
    (row,) = [row for row in tasks if row["task"] == TASK]
    assert row["commit_p50_s"] > 0
    assert row["recoveries"] >= 8
    assert row["refused"] == 0
    assert total["task"] == "*"
    assert total["processes"] == ["pipeline"]
    assert total["dead_letters"] == 0
    assert 0 < total["memory_used"] < 1
    shown = tocsin("top", "--once", *service.common).splitlines()
    assert "dead letters 0" in shown[0]
    assert any(TASK in line and "pipeline" in line for line in shown)


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = tmp_path / "tocsin.yaml"
        config.write_text(
            json.dumps({"metrics": {"port": port}, "agents": {"acquisition": {"sources": {"p": {"kind": "plant"}}}}})
        )
        process = start("up", "--config", config, "--data-dir", tmp_path / "d")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 69
    assert f"127.0.0.1:{port}" in errors
