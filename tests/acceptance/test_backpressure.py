"""A small server, a fast source, and processors that stand still: nothing is refused, lost or doubled."""

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from bus.embedded import EmbeddedServer

from .commands import folder, rows, start, tocsin, wait_for

ROWS, MEMORY_MB = 200_000, 16
#: Of the memory: from here on a source stands still. What it commits in the half second between two looks comes on top.
STOP_AT, BURST = 0.85, 0.08
LEDGER = "tocsin:{0}:ledger"


def configuration(base: Path) -> Path:
    begin = datetime.now(UTC) - timedelta(days=10)
    table = "".join(f"{begin + timedelta(seconds=i)},{i % 97}\n" for i in range(ROWS))
    (base / "a.csv").write_text(f"time,t\n{table}")
    source = {"kind": "csv", "path": str(base / "a.csv"), "asset": "pump", "batch_rows": 10}
    agents = {
        "acquisition": {"sources": {"file": source}},
        "validation": {"freshness_s": 31_536_000},
        "anomaly": {"detector": "ewma"},
    }
    archive = {"every_s": 0.2, "segment_events": 20_000, "keep_events": 1_000}
    bus = {"partitions": 1, "snapshot_s": 0.5, "lease_s": 60.0, "backoff_max_s": 1.0}
    (base / "tocsin.yaml").write_text(json.dumps({"bus": bus, "archive": archive, "agents": agents}))
    return base / "tocsin.yaml"


class Watched:
    """What a server says of itself, and the most that it ever held."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.client = Redis(unix_socket_path=str(server.socket))
        self.peak = 0.0

    def full(self) -> float:
        told = self.client.info("memory")
        now = float(told["used_memory"]) / float(told["maxmemory"])
        self.peak = max(self.peak, now)
        return now

    def refused(self) -> int:
        return int(self.client.info("errorstats").get("errorstat_OOM", {"count": 0})["count"])

    def number(self, field: str) -> int:
        self.full()
        return int(self.client.hget(LEDGER, field) or 0)

    def stands(self) -> bool:
        """Whether nothing came for a second and a half."""
        before = self.number("position:source:file")
        time.sleep(1.5)
        return before == self.number("position:source:file")

    def behind(self) -> int:
        read = self.number("position:validation<readings.acquired"), self.number("position:anomaly<readings.accepted")
        return self.number("end:readings.acquired") + self.number("end:readings.accepted") - sum(read)


@pytest.mark.soak
def test_a_fast_source_waits_for_processors_that_stand_still_and_nothing_is_lost() -> None:
    with folder() as base, EmbeddedServer(base / "server", maxmemory_mb=MEMORY_MB) as server:
        shared = ("--config", configuration(base), "--data-dir", base / "d", "--redis", server.url)
        readers = start("up", "validation", "anomaly", *shared)
        watched = Watched(server)
        wait_for(lambda: watched.number("token:anomaly<readings.accepted"))
        os.killpg(readers.pid, signal.SIGSTOP)
        source = start("up", "acquisition", *shared)
        wait_for(lambda: watched.full() >= STOP_AT - BURST, 120)
        wait_for(watched.stands, 60)
        came, peak = watched.number("end:readings.acquired"), watched.peak
        # The readers begin with less room than their first outputs need.
        watched.client.config_set("maxmemory", int(watched.full() / 0.97 * MEMORY_MB * 2**20))
        os.killpg(readers.pid, signal.SIGCONT)
        wait_for(lambda: watched.refused() and watched.number("position:anomaly<readings.accepted") > came / 2, 120)
        watched.client.config_set("maxmemory", MEMORY_MB * 2**20)
        wait_for(lambda: watched.number("position:source:file") == ROWS and not watched.behind(), 120)
        exported = rows(tocsin("export", "--all", *shared))
        for process in (readers, source):
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            assert process.returncode == 0
        print(f"{came:,} readings until it stood still, peak of the source {peak:.2f}")  # noqa: T201 - the figure
        assert peak < STOP_AT + BURST
    paces = [row["pace"] for row in exported if row["type"] == "SourcePaceChanged"]
    assert ("stopped" in paces, paces[-1]) == (True, "full")
    for kind in ("ReadingsAcquired", "ReadingsAccepted"):
        positions = [row["position"] for row in exported if row["type"] == kind]
        assert positions == sorted(set(positions))
        assert len(positions) == ROWS
