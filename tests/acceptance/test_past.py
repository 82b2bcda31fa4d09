"""A past that the server holds no more: killed half-way, archived, trimmed, and yet told, replayed and packed."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from models.bundle import builtin
from models.cache import BundleCache

from .commands import TOCSIN, Row, folder, processes, rows, start, tocsin, wait_for

ROWS = 1600
#: Old enough to lie before the clock, and young enough that nothing is taken for silent.
BEGIN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
SHIFT, SPIKE = range(1000, 1030), 1210
#: The hours with the spike in them, and what stands before it.
FROM, TO = BEGIN + timedelta(minutes=1190), BEGIN + timedelta(minutes=1310)
FINDINGS = ("anomalies", "notifications", "readings.accepted", "readings.rejected")


@dataclass(frozen=True)
class Past:
    """A service that ran, and one that ran undisturbed and kept everything on its server."""

    base: Path
    undisturbed: str

    @property
    def where(self) -> tuple[str, Path, str, Path]:
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.base / "d"


def when(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


SPAN = ("--from", when(FROM), "--to", when(TO))


def lines(first: int, last: int) -> str:
    found = []
    for i in range(first, last):
        noise = ((i * 7919) % 1000) / 1000 - 0.5
        a = 60 + noise + (25 if i in SHIFT or i == SPIKE else 0)
        found.append(f"{when(BEGIN + timedelta(minutes=i))},{a:.4f},{5 + noise / 10 + (i == SPIKE) * 4:.4f}\n")
    return "".join(found)


def configuration(base: Path, name: str, *, kept: bool = False) -> Path:
    source = {"kind": "follow", "path": str(base / "grow.csv"), "asset": "pump", "poll_s": 0.1, "batch_rows": 20}
    agents = {
        "acquisition": {"sources": {"grow": source}},
        "validation": {"freshness_s": 31_536_000},
        "anomaly": {},
        "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
    }
    archive = {"every_s": 0.2, "segment_events": 150, "keep_events": 100, "checkpoint_s": 0.3, "enabled": not kept}
    bus = {"partitions": 2, "snapshot_s": 0.2, "lease_s": 1.0}
    (base / name).write_text(json.dumps({"bus": bus, "archive": archive, "agents": agents}))
    return base / name


def within(row: Row) -> bool:
    return bool(when(FROM) <= row["time"] <= when(TO))


def exported(*where: str | Path) -> str:
    return tocsin("export", *(word for stream in FINDINGS for word in ("--stream", stream)), *where)


def archived(base: Path, stream: str) -> int:
    manifests = (base / "d/archive" / f"stream={stream}").glob("partition=*/manifest.jsonl")
    return sum(int(json.loads(line)["events"]) for path in manifests for line in path.read_text().splitlines())


def saved(base: Path, task: str) -> int:
    """How far a task of the pump had come when its state was last copied into the archive."""
    copies = (base / "d/archive/checkpoints").glob(f"partition=*/{task}%3C*/*.checkpoint")
    return max((int(path.stem) for path in copies), default=0)


def oldest(base: Path, stream: str) -> int:
    """The first ordinal that the server still holds of what the pump leads to."""
    with Redis(unix_socket_path=str(base / "d/redis/valkey.sock")) as client:
        begins = [client.xrange(f"tocsin:{{{number}}}:{stream}", count=1) for number in range(2)]
    return max(int(entries[0][0].split(b"-")[0]) for entries in begins if entries)


def scored(base: Path) -> int:
    """How many readings have been looked at for anomalies; 0 while there is no server."""
    field = "position:anomaly<readings.accepted"
    try:
        with Redis(unix_socket_path=str(base / "d/redis/valkey.sock")) as client:
            return max(int(client.hget(f"tocsin:{{{number}}}:ledger", field) or 0) for number in range(2))
    except RedisError:
        return 0


def scored_to(base: Path, count: int) -> bool:
    return scored(base) == count


def done(base: Path, where: tuple[str | Path, ...]) -> bool:
    """Whether all readings led to all that they lead to."""
    wait_for(lambda: scored_to(base, 2 * ROWS))
    return not any(row.get("behind") for row in rows(tocsin("top", "--once", "--json", *where)))


def kill_everything(process: "subprocess.Popen[str]", base: Path) -> None:
    for pid in [process.pid, *processes(base / "d")]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate(timeout=30)
    wait_for(lambda: not processes(base / "d"))


def ends_slowly(source: Path, base: Path) -> None:
    """The last quarter, its end in pieces: the older of two snapshots holds the log, and moves with new readings."""
    until = range(ROWS - 100, ROWS + 1, 10)
    for first, last in zip((ROWS * 3 // 4, *until), until, strict=False):
        with source.open("a") as file:
            file.write(lines(first, last))
        wait_for(partial(scored_to, base, 2 * last))
        if oldest(base, "readings.accepted") <= ROWS:
            time.sleep(0.5)


def lived(base: Path, *where: str | Path) -> None:
    """A service that is killed half-way, with all its processes and its server, and goes on."""
    source = base / "grow.csv"
    source.write_text("time,a,b\n" + lines(0, ROWS // 2))
    process = start("up", *where)
    wait_for(lambda: archived(base, "readings.accepted") > 300)
    # From here the hours are replayed that some tests ask for.
    wait_for(lambda: min(saved(base, "validation"), saved(base, "anomaly")) >= ROWS)
    with source.open("a") as file:
        file.write(lines(ROWS // 2, ROWS * 3 // 4))
    kill_everything(process, base)
    process = start("up", *where)
    try:
        ends_slowly(source, base)
        wait_for(lambda: archived(base, "readings.accepted") >= 2 * ROWS - 150)
        wait_for(lambda: done(base, where))
        wait_for(lambda: oldest(base, "readings.accepted") > ROWS)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said[-3000:]


def undisturbed(base: Path, source: Path) -> str:
    """What the same readings lead to where nothing is killed, archived or trimmed."""
    (base / "grow.csv").write_bytes(source.read_bytes())
    where = ("--config", configuration(base, "tocsin.yaml", kept=True), "--data-dir", base / "d")
    process = start("up", *where)
    try:
        wait_for((base / "d/redis/valkey.sock").exists)
        wait_for(lambda: done(base, where))
        return exported(*where)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    with folder() as base, folder() as other:
        configuration(base, "tocsin.yaml")
        lived(base, "--config", base / "tocsin.yaml", "--data-dir", base / "d")
        yield Past(base, undisturbed(other, base / "grow.csv"))


def replay(*arguments: str | Path, code: int = 0) -> tuple[list[Row], str]:
    """Rows and what was said."""
    command = [*TOCSIN, "replay", *map(str, arguments), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == code, f"{ended.returncode}\n{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}"
    return rows(ended.stdout), ended.stderr


def test_a_killed_and_trimmed_log_tells_what_an_undisturbed_one_tells(past: Past) -> None:
    found = exported(*past.where)
    assert found == past.undisturbed
    types = [row["type"] for row in rows(found)]
    assert types.count("ReadingsAccepted") == 2 * ROWS
    assert types.count("AnomalyDetected") >= 2


def test_some_hours_are_replayed_from_a_saved_state(past: Past) -> None:
    found, said = replay("--diff", *SPAN, *past.where)
    assert found == []
    assert "0 missing, 0 extra, 0 changed" in said
    # The notifier had perhaps read nothing by then: it begins at its beginning, as then.
    begun = re.search(r"[234] of 4 tasks begin at saved states, .*; ([\d,]+) events to read", said)
    assert begun, said
    assert int(begun[1].replace(",", "")) < ROWS, "far from all that there is"
    # What is shown is what was told then.
    shown, _ = replay(*SPAN, "--stream", "anomalies", *past.where)
    told = [row for row in rows(past.undisturbed) if row["stream"] == "anomalies" and within(row)]
    assert shown == told
    assert {row["type"] for row in told} == {"AnomalyDetected", "AnomalyCleared"}


def test_another_threshold_changes_what_it_says_it_changes(past: Past) -> None:
    other = past.base / "deaf.yaml"
    other.write_text("anomaly: {threshold: 0.99}")
    found, said = replay("--diff", *SPAN, "--changes", other, *past.where, code=1)
    told = [row["id"] for row in rows(past.undisturbed) if row["type"] == "AnomalyDetected" and within(row)]
    assert [row["id"] for row in found if (row["difference"], row["type"]) == ("missing", "AnomalyDetected")] == told
    assert "another configuration" in said


def test_another_model_is_served_from_the_cache(past: Past) -> None:
    other = builtin("ewma")
    BundleCache(past.base / "d").put(other)
    asked = ("--diff", *SPAN, *past.where)
    found, said = replay(*asked, "--model", other.digest, code=1)
    assert {row["bundle"] for row in found if row["difference"] == "extra" and "bundle" in row} <= {other.digest}
    assert "missing" in {row["difference"] for row in found}
    assert "does not fit" in said, "the saved state is of another detector"
    # The one that was served then changes nothing, also when it is asked for by name.
    served = next(row["bundle"] for row in rows(past.undisturbed) if row["type"] == "AnomalyDetected")
    assert replay(*asked, "--model", served)[0] == []
    unknown = "ab" * 32
    _, said = replay(*asked, "--model", unknown, code=78)
    assert f"--model: bundle {unknown} is not in {past.base / 'd' / 'bundles'}" in said


def test_a_bundle_of_it_runs_where_nothing_else_is(past: Past) -> None:
    with folder() as alone:
        path = alone / "incident.tar"
        tocsin("export", "--incident", path, *SPAN, *past.where)
        assert not processes(past.base / "d"), "its server does not run"
        found, said = replay(path, "--diff", "--data-dir", alone / "none")
        assert (found, "0 missing, 0 extra, 0 changed" in said) == ([], True)
        assert not (alone / "none").exists()
        # A model that the bundle does not hold comes from a data directory, and is not in both unless it is named.
        other = builtin("records", {"threshold": 0.46})
        BundleCache(alone / "more").put(other)
        asked = (path, "--diff", "--model", other.digest)
        assert other.digest in {row.get("bundle") for row in replay(*asked, "--data-dir", alone / "more", code=1)[0]}
        assert "--model: bundle" in replay(*asked, "--data-dir", alone / "none", code=78)[1]


def test_a_range_of_it_comes_into_another_instance(past: Past) -> None:
    with folder() as alone:
        path = alone / "readings.jsonl"
        tocsin("export", "--stream", "readings.acquired", "--output", path, *SPAN, *past.where)
        there = ("--config", past.base / "tocsin.yaml", "--data-dir", alone / "d")
        tocsin("import", path, *there)
        tocsin("import", path, *there)
        assert tocsin("export", "--stream", "readings.acquired", *there) == "".join(
            line for line in path.read_text().splitlines(keepends=True) if "ClockTicked" not in line
        )
