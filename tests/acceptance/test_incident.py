"""A bundle runs on a machine that has nothing else; readings come over to another instance, each once."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bus.protocol import Place
from console.past.writing import Tables
from contracts.events import ReadingsAcquired
from contracts.readings import Readings, Series

from .commands import ROOT, Row, folder, rows, start, tocsin, wait_for
from .conftest import Finished

FROM, TO = "2026-03-01T16:00:00Z", "2026-03-01T20:30:00Z"
#: Ends the process when it reaches out: a connection, a name looked up, another program.
GUARDED = """
import sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen", "os.exec"):
        print("reached out:", event, arguments, file=sys.stderr)
        import os
        os._exit(99)
sys.addaudithook(hook)
from console.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def bundle(finished: Finished) -> Iterator[Path]:
    with folder() as base:
        tocsin("export", "--incident", base / "i.tar", "--from", FROM, "--to", TO, "--data-dir", finished.data_dir)
        yield base / "i.tar"


def guarded(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", GUARDED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT, check=False)


def within(exported: str, *streams: str) -> list[Row]:
    return [row for row in rows(exported) if row["stream"] in streams and FROM <= row["time"] <= TO]


def test_a_bundle_gives_the_same_elsewhere_and_nothing_is_reached(bundle: Path, finished: Finished) -> None:
    with folder() as base:
        path = Path(shutil.copy(bundle, base / "elsewhere.tar"))
        again = guarded("replay", path, "--json", "--data-dir", base / "d")
        assert again.returncode == 0, again.stderr
        expected = within(finished.exported, "anomalies", "drift", "incidents", "notifications")
        assert rows(again.stdout) == expected
        assert {row["type"] for row in expected} >= {"AnomalyDetected", "NotificationDue"}
        compared = guarded("replay", path, "--diff", "--data-dir", base / "d")
        assert (compared.returncode, compared.stdout) == (0, ""), compared.stderr
        assert "0 missing, 0 extra, 0 changed" in compared.stderr
        assert not (base / "d").exists()


def test_the_guard_would_have_seen_it(finished: Finished) -> None:
    assert guarded("replay", "--data-dir", finished.data_dir).returncode == 99


def test_another_threshold_shows_what_changed(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(
        (ROOT / "config" / "default.yaml").read_text().replace("anomaly: {}", "anomaly: {threshold: 0.79}")
    )
    found = rows(tocsin("replay", bundle, "--diff", "--json", "--config", other, code=1))
    changed = [row for row in found if row["difference"] == "changed" and row["type"] == "AnomalyDetected"]
    assert changed
    assert all(set(row["was"]) == {"threshold"} and row["threshold"] == 0.79 for row in changed)


def test_a_bundle_around_an_alert_holds_it(finished: Finished, tmp_path: Path) -> None:
    alert = next(row for row in rows(finished.exported) if row["type"] == "AnomalyDetected")
    path = tmp_path / "alert.tar"
    tocsin("export", "--incident", path, "--alert", alert["id"][:12], "--data-dir", finished.data_dir)
    series = f"{alert['asset']}/{alert['channel']}"
    found = rows(tocsin("replay", path, "--json", "--stream", "anomalies", "--series", series))
    assert alert in found
    assert {row["channel"] for row in found} == {alert["channel"]}


def test_what_was_exported_comes_in_once(finished: Finished) -> None:
    with folder() as base:
        table = base / "readings"
        chosen = ("--stream", "readings.acquired", "--data-dir", finished.data_dir)
        tocsin("export", "--format", "parquet", "--output", table, *chosen)
        other = base / "other.yaml"
        other.write_text("bus: {partitions: 3}\n" + (ROOT / "config" / "default.yaml").read_text())
        tocsin("import", table, "--config", other, "--data-dir", base / "d")
        came = rows(tocsin("export", "--stream", "readings.acquired", "--config", other, "--data-dir", base / "d"))
        went = [row for row in rows(finished.exported) if row["type"] == "ReadingsAcquired"]
        bare = [{name: value for name, value in row.items() if name != "partition"} for row in came]
        assert bare == [{name: value for name, value in row.items() if name != "partition"} for row in went]


def test_a_killed_import_goes_on(tmp_path: Path) -> None:
    count = 120_000
    table = tmp_path / "readings.acquired.parquet"
    many(table, count)
    with folder() as base:
        server = start("up", "acquisition", "--data-dir", base / "d")
        socket = base / "d" / "redis" / "valkey.sock"
        wait_for(socket.exists)
        arguments = ("import", table, "--redis", f"unix://{socket}", "--data-dir", base / "d")
        killed = 0
        for pause in (2.0, 2.6):
            child = start(*arguments)
            try:
                child.communicate(timeout=pause)
            except subprocess.TimeoutExpired:
                killed += 1
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
        tocsin(*arguments)
        came = tocsin(
            "export", "--stream", "readings.acquired", "--redis", f"unix://{socket}", "--data-dir", base / "d"
        )
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    positions = [row["position"] for row in rows(came) if row["type"] == "ReadingsAcquired"]
    assert killed
    assert sorted(positions) == list(range(count))


def many(path: Path, count: int) -> None:
    """An export of some machines."""
    series = [Series("plant", f"m{number}", "temp") for number in range(7)]
    position = np.arange(count, dtype=np.int64)
    readings = Readings.of(series, position % 7, position * 1_000_000_000, np.sin(position / 50), position)
    tables = Tables(path.parent)
    for part in readings.cut(16_000):
        tables.add(Place("readings.acquired", 0), ReadingsAcquired(part))
    tables.close()
