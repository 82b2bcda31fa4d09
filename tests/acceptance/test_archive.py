"""A service that archives and trims: nothing is missing from what it tells afterwards."""

import json
from pathlib import Path

from .commands import folder, rows, start, tocsin, wait_for

ROWS = 1200
AGENTS = {
    "validation": {},
    "anomaly": {},
    "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
}


def configuration(base: Path, name: str, *without: str) -> Path:
    source = {"sources": {"grow": {"kind": "follow", "path": str(base / "grow.csv"), "poll_s": 0.1, "batch_rows": 20}}}
    agents = {"acquisition": source, **{agent: own for agent, own in AGENTS.items() if agent not in without}}
    archive = {"every_s": 0.2, "segment_events": 200, "keep_events": 100, "checkpoint_s": 0.5}
    bus = {"partitions": 1, "snapshot_s": 0.2, "lease_s": 1.0}
    (base / name).write_text(json.dumps({"bus": bus, "archive": archive, "agents": agents}))
    return base / name


def test_what_was_trimmed_is_still_told_and_who_is_gone_is_forgotten() -> None:
    with folder() as base:
        lines = [f"2026-03-01T{i // 60:02d}:{i % 60:02d}:00Z,{50 + i % 7}" for i in range(ROWS)]
        (base / "grow.csv").write_text("\n".join(["time,a", *lines]) + "\n")
        where = ("--config", configuration(base, "all.yaml"), "--data-dir", base / "d")
        process = start("up", *where)
        try:
            wait_for((base / "d/archive/stream=readings.accepted/partition=0000/manifest.jsonl").exists)

            def archived() -> bool:
                path = base / "d/archive/stream=readings.accepted/partition=0000/manifest.jsonl"
                return sum(int(json.loads(line)["events"]) for line in path.read_text().splitlines()) >= ROWS - 200

            wait_for(archived)
            wait_for(lambda: list((base / "d/archive/checkpoints").rglob("*.checkpoint")))
        finally:
            process.terminate()
            _, told_us = process.communicate(timeout=60)
        assert process.returncode == 0, told_us
        listed = rows(tocsin("archive", "ls", "--json", *where))
        assert {row["stream"] for row in listed} >= {"readings.acquired", "readings.accepted"}
        tocsin("archive", "verify", *where)
        told = rows(tocsin("export", "--json", "--stream", "readings.accepted", *where))
        assert [row["value"] for row in told] == [50.0 + i % 7 for i in range(ROWS)]

        fewer = ("--config", configuration(base, "fewer.yaml", "anomaly"), "--data-dir", base / "d")
        victim = base / "d/archive" / listed[0]["file"]
        data = victim.read_bytes()
        victim.write_bytes(data[:-30] + b"x" + data[-29:])
        tocsin("archive", "verify", *where, code=65)
        victim.write_bytes(data)
        tocsin("retire", "anomaly", *where, code=78)
        tocsin("retire", "anomaly", *fewer)
        tocsin("retire", "anomaly", *fewer, code=1)
        (retired,) = [row for row in rows(tocsin("export", "--json", "--all", *fewer)) if row["type"] == "TaskRetired"]
        assert retired["reader"] == "anomaly<readings.accepted"
