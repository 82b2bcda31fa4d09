"""One daemon per agent on a server of their own: the same log as from one supervised service."""

import json
import os
import signal
import subprocess
from pathlib import Path

from bus.embedded import EmbeddedServer

from .commands import folder, plant_csv, rows, start, tocsin, wait_for

AGENTS = ("acquisition", "validation", "anomaly", "drift", "notification", "coordinator")


def configured(base: Path) -> Path:
    sources = {"pump": {"kind": "csv", "path": str(plant_csv(base / "pump.csv", 1300)), "asset": "pump"}}
    agents: dict[str, object] = {name: {} for name in AGENTS}
    agents["acquisition"] = {"sources": sources}
    agents["notification"] = {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}}
    path = base / "tocsin.yaml"
    path.write_text(json.dumps({"agents": agents}))
    return path


def ended(daemon: "subprocess.Popen[str]") -> int:
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=40)
    return int(daemon.returncode)


def test_daemons_work_together_survive_a_kill_and_end_with_zero() -> None:
    with folder() as base, EmbeddedServer(base / "server") as server:
        config = configured(base)
        shared = ("--config", config, "--data-dir", base / "d", "--redis", server.url)
        daemons = {name: start("up", name, *shared) for name in AGENTS if name != "drift"}
        wait_for((base / "d" / "store-id").exists)
        # The drift daemon is late, and killed once: alerts do not wait for it.
        command = ("tail", "--once", "--json", "--stream", "lineage", *shared)
        wait_for(lambda: rows(tocsin(*command)), 90)
        drift = start("up", "drift", *shared)
        os.kill(drift.pid, signal.SIGKILL)
        drift.communicate(timeout=20)
        daemons["drift"] = start("up", "drift", *shared)
        top = ("top", "--once", "--json", *shared)
        wait_for(lambda: not any(row["behind"] for row in rows(tocsin(*top))), 60)
        exported = rows(tocsin("export", "--json", *shared))
        assert {name: ended(daemon) for name, daemon in daemons.items()} == dict.fromkeys(AGENTS, 0)
        accepted = [row for row in exported if row["type"] == "ReadingsAccepted"]
        assert len(accepted) == len({row["id"] for row in accepted}) > 2500
        alerts = [row["id"] for row in exported if row["type"] == "NotificationDue"]
        told = [json.loads(line)["id"] for line in (base / "d" / "alerts.jsonl").read_text().splitlines()]
        assert sorted(told) == sorted(alerts)
        again = tocsin("replay", "--diff", *shared)
        assert again == ""
