"""The doctor beside a whole service: no finding while it starts, works and idles, and each fault of what runs."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest

from agents.health import running
from agents.telemetry import read_reports
from bus.news import News
from bus.redis import open_bus
from console.checks.finding import Finding
from console.checks.scene import Limits
from console.doctor import examination
from console.options import Choices
from contracts.events import HealthChanged
from contracts.settings import load
from tests.clusters import free_ports
from tests.integration.faults import assert_told

from .commands import folder, processes, start, wait_for

CONFIG = """
bus: {{partitions: 2}}
api: {{port: {api}}}
metrics: {{port: {metrics}}}
health: {{every_s: 0.5}}
agents:
  acquisition:
    sources:
      plant: {{kind: plant, machines: [pump], seed: 1, start: "2026-01-01T00:00:00Z", interval_s: 1.0, speed: 60}}
  validation: {{}}
  notification: {{sinks: {{file: {{kind: file, path: alerts.jsonl}}}}}}
"""
#: What imports for seconds.
WHOLE = CONFIG + "  anomaly: {{}}\n  drift: {{}}\n  coordinator: {{}}\n"
#: A machine that is busy takes its time, and its disk is nobody's business here.
LIMITS = Limits(free_bytes=1, free_share=0.0, timeout_s=40.0, patience_s=20.0)
#: What there is to look at only while a service runs.
LOOKED_AT = ("running", "listening", "orphans", "log.lag", "log.age", "mlflow", "redis.acl", "feature-latency")
#: Importing takes ten seconds, and on a machine with much else to do minutes.
SLOW_S = 200
#: For what is wrong on purpose.
QUICK = Limits(free_bytes=1, free_share=0.0, timeout_s=4.0, patience_s=0.5)
Findings = dict[str, Finding]


@dataclass
class Service:
    """A service with a plant."""

    base: Path
    pid: int

    @property
    def config(self) -> Path:
        return self.base / "tocsin.yaml"

    @property
    def data_dir(self) -> Path:
        return self.base / "d"

    def examined(self, limits: Limits = LIMITS) -> Findings:
        found = anyio.run(partial(examination, Choices(self.config, self.data_dir), False, limits))
        return {finding.check: finding for finding in found}

    def child(self, agent: str) -> int:
        """The process that runs an agent, or the HTTP interface."""
        lines = processes(self.data_dir).items()
        return next((pid for pid, line in lines if f" {agent} " in line and int(pid) != self.pid), 0)

    def listens(self) -> bool:
        """Whether the HTTP interface answers."""
        return self.examined(QUICK)["listening"].status == "ok"

    def works(self) -> bool:
        """Whether everything is there that can be looked at; a store is made some time after its process began."""
        findings = self.examined()
        return all(findings[name].status == "ok" for name in LOOKED_AT)

    def told(self) -> list[str]:
        """Check and state of everything that the service itself told of its health."""

        async def read() -> list[str]:
            settings, _ = load(self.config, {"data_dir": self.data_dir})
            bus = await open_bus(settings, f"unix://{self.data_dir}/redis/valkey.sock", create=False)
            try:
                events = await News([HealthChanged]).read(bus)
            finally:
                await bus.close()
            return [f"{event.check} {event.state}" for event in events if isinstance(event, HealthChanged)]

        return anyio.run(read)

    @contextmanager
    def configured(self, old: str, new: str) -> Iterator[None]:
        """The file says something else for a while."""
        before = self.config.read_text()
        assert old in before
        self.config.write_text(before.replace(old, new))
        try:
            yield
        finally:
            self.config.write_text(before)


def minded(findings: Findings) -> dict[str, str]:
    return {name: finding.found for name, finding in findings.items() if finding.status in ("warn", "fail")}


@contextmanager
def running_service(config: str) -> Iterator[Service]:
    """A service that has begun its log."""
    with folder() as base:
        api, metrics = free_ports(2)
        (base / "tocsin.yaml").write_text(config.format(api=api, metrics=metrics))
        process = start("up", "--config", base / "tocsin.yaml", "--data-dir", base / "d")
        try:
            wait_for((base / "d" / "store-id").exists)
            yield Service(base, process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)


def told_of_themselves(service: Service) -> set[str]:
    """The processes that run, as they say; all of them have imported what they need."""
    return {report.process for report in read_reports(service.data_dir, 0.0)}


def test_nothing_is_found_where_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it starts, when it works, and by the service itself, which sees what is changed later."""
    with running_service(WHOLE) as service:
        assert minded(service.examined()) == {}, "while it starts"
        wait_for(lambda: told_of_themselves(service) >= {"coordinator", "pipeline", "api"}, SLOW_S)
        # From here on everything counts as started, and has to work.
        monkeypatch.setattr(running, "SETTLED_S", 0.0)
        wait_for(service.works, SLOW_S)
        assert minded(service.examined()) == {}, "at work"
        assert service.told() == []
        with service.configured("validation: {}", "validation: {lateness_s: 5}"):
            wait_for(lambda: service.told() == ["running warning"])
        wait_for(lambda: service.told() == ["running warning", "running ok"])


def test_what_runs_is_compared_with_what_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """One service for all of these faults: starting it takes longer than everything else."""
    monkeypatch.setattr(running, "SETTLED_S", 0.0)
    with running_service(CONFIG) as service:
        wait_for(lambda: told_of_themselves(service) >= {"pipeline", "api"} and service.listens(), SLOW_S)
        assert minded(service.examined()) == {}
        with service.configured("validation: {}", "validation: {lateness_s: 5}"):
            assert_told(service.examined(), "a configuration that was changed")
        with service.configured("notification: {", "notification: {enabled: false, "):
            assert_told(service.examined(), "an agent that was taken out", also=["log.readers"])
        with service.configured("validation: {}", "validation: {}\n  spikes: {kind: anomaly}"):
            assert_told(service.examined(QUICK), "an agent that was added", also=["log.lag", "feature-latency"])
        with service.configured("metrics: {", "metrics: {host: 0.0.0.0, "):
            assert_told(service.examined(), "numbers for everybody", also=["running"])
        _stopped(service, monkeypatch)


def _stopped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes stand still, one after the other."""
    interface, pipeline = service.child("api"), service.child("validation")
    os.kill(interface, signal.SIGSTOP)
    try:
        assert_told(service.examined(QUICK), "an interface that is gone")
    finally:
        os.kill(interface, signal.SIGCONT)
    monkeypatch.setattr(running, "FRESH_S", 3.0)
    os.kill(pipeline, signal.SIGSTOP)
    try:
        wait_for(lambda: minded(service.examined(QUICK)).get("running"))
        findings = service.examined(QUICK)
    finally:
        os.kill(pipeline, signal.SIGCONT)
    finding = assert_told(findings, "a process that says nothing", also=["log.lag", "feature-latency"])
    assert f"kill {pipeline}" in finding.mend
