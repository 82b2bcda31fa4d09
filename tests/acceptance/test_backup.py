"""A backup of a service that runs, and its way back into an empty folder."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.backups import contents
from console.backups.returning import Returning
from contracts.errors import CorruptEvent
from contracts.settings import Settings

from .commands import ROOT, TOCSIN, Row, folder, plant_csv, rows, tocsin, wait_for

# What is set up for all of them is counted to the first, and takes its time on a machine that does much else.
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Site:
    """An installation with a log, models and lineage, a backup of it, and what it told when that was taken."""

    base: Path
    backup: Path
    told: str

    @property
    def where(self) -> tuple[str, Path, str, Path]:
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.base / "d"

    def at(self, name: str) -> tuple[str, Path, str, Path]:
        """Another data directory with the same configuration."""
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.base / name


def configured(base: Path) -> Path:
    follow = {"kind": "follow", "path": str(base / "grow.csv"), "asset": "pump", "poll_s": 0.1}
    config = {
        "agents": {
            "acquisition": {"sources": {"grow": follow}},
            "validation": {},
            "anomaly": {},
            "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
            "coordinator": {},
        },
        "archive": {"segment_events": 500, "keep_events": 0, "every_s": 0.5, "most_age_s": 1},
        "bus": {"snapshot_s": 0.5},
    }
    path = base / "tocsin.yaml"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The backup is taken while the service runs, and taken again into the same folder after it ended."""
    with folder() as base:
        configured(base)
        whole = plant_csv(base / "whole.csv").read_text().splitlines(keepends=True)
        (base / "grow.csv").write_text("".join(whole[:1100]))
        found = Site(base, base / "backup", "")
        with serving(base, *found.where):
            wait_for((base / "d" / "store-id").exists)
            running = ("--redis", f"unix://{base / 'd' / 'redis' / 'valkey.sock'}")
            wait_for(lambda: told(found, running, "lineage"), seconds=90)
            tocsin("backup", base / "backup", *found.where, *running)
            first = json.loads((base / "backup" / "backup.json").read_text())
            with (base / "grow.csv").open("a") as file:
                file.write("".join(whole[1100:]))
            wait_for(lambda: len(told(found, running, "readings.accepted")) >= 2990, seconds=60)
        tocsin("backup", base / "backup", *found.where)
        second = json.loads((base / "backup" / "backup.json").read_text())
        assert sum(second["ends"].values()) > sum(first["ends"].values())
        yield Site(base, base / "backup", tocsin("export", *found.where, "--json"))


@contextmanager
def serving(base: Path, *where: str | Path) -> Iterator[None]:
    """A service that runs, and is told to stop at the end."""
    with (base / "up.log").open("ab") as log:
        command = [*TOCSIN, "up", *map(str, where)]
        with subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True) as service:
            try:
                yield
            finally:
                service.send_signal(signal.SIGTERM)


def told(site: Site, running: tuple[str, str], stream: str) -> list[Row]:
    return rows(tocsin("export", *site.where, *running, "--stream", stream, "--json"))


def test_the_restored_installation_tells_the_same(site: Site) -> None:
    """Log and archive, byte for byte; its models are verified; an old alert is explained as it was."""
    done = json.loads(tocsin("restore", site.backup, *site.at("new"), "--json"))
    assert done["models"]
    assert [model["problem"] for model in done["models"]] == [""] * len(done["models"])
    published = rows(tocsin("models", "ls", *site.where, "--json"))
    assert [(each["name"], each["version"], each["bundle"]) for each in done["versions"]] == [
        (each["name"], each["version"], each["bundle"]) for each in published
    ]
    assert all(each["verified"] for each in done["versions"])
    assert tocsin("export", *site.at("new"), "--json") == site.told
    alert = next(row["id"] for row in rows(site.told) if row["type"] == "AnomalyDetected")
    before = json.loads(tocsin("lineage", alert, *site.where, "--json"))
    after = json.loads(tocsin("lineage", alert, *site.at("new"), "--json"))
    assert after == before
    assert after["mlflow_run_id"]
    tocsin("replay", *site.at("new"), "--diff", code=0)


def test_the_restored_service_goes_on(site: Site) -> None:
    """New readings get the ordinals that follow, and nothing is told a second time."""
    if not (site.base / "on").exists():
        tocsin("restore", site.backup, *site.at("on"))
    notifications = ("export", *site.at("on"), "--stream", "notifications", "--json")
    before = [row["id"] for row in rows(tocsin(*notifications))]
    with (site.base / "grow.csv").open("a") as file:
        file.write("2026-03-03T00:00:00Z,60.0,5.0\n")
    running = ("--redis", f"unix://{site.base / 'on' / 'redis' / 'valkey.sock'}")
    with serving(site.base, *site.at("on")):
        wait_for((site.base / "on" / "redis" / "valkey.sock").exists)
        new = ("export", *site.at("on"), *running, "--stream", "readings.accepted", "--json")
        wait_for(lambda: "2026-03-03T00:00:00Z" in tocsin(*new), seconds=60)
    after = [row["id"] for row in rows(tocsin(*notifications))]
    assert len(before) == 2
    assert after[:2] == before
    assert len(set(after)) == len(after)
    sent = site.base / "on" / "alerts.jsonl"
    assert not sent.exists() or not any(identity in sent.read_text() for identity in before)


def test_a_folder_that_is_not_empty_is_left_alone(site: Site) -> None:
    """Also the one that was backed up."""
    before = (site.base / "d" / "store-id").read_bytes(), sorted(path.name for path in (site.base / "d").iterdir())
    tocsin("restore", site.backup, *site.where, code=69)
    assert (site.base / "d" / "store-id").read_bytes() == before[0]
    assert sorted(path.name for path in (site.base / "d").iterdir()) == before[1]


def test_a_damaged_backup_is_refused_before_anything_is_written(site: Site, tmp_path: Path) -> None:
    """One flipped byte in each kind of file; the file is named."""
    copy = tmp_path / "backup"
    shutil.copytree(site.backup, copy)
    found = contents.read(copy)
    for kind in ("archive/stream", "bundles/", "artifacts/", "lists/", "mlflow.db", "partitions.json", "log/"):
        path = copy / next(file.path for file in found.files if kind in file.path and file.size)
        whole = path.read_bytes()
        at = len(whole) // 2
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CorruptEvent, match=path.name):
            Returning(copy, found, Settings()).verify(lambda _, __: None)
        if kind == "log/":
            tocsin("restore", copy, *site.at("none"), code=65)
            assert not (site.base / "none" / "store-id").exists()
        path.write_bytes(whole)
    Returning(copy, found, Settings()).verify(lambda _, __: None)


def test_a_path_that_leads_out_of_the_folder_is_refused(site: Site, tmp_path: Path) -> None:
    """Somebody may have written the list."""
    copy = tmp_path / "backup"
    shutil.copytree(site.backup, copy)
    listed = json.loads((copy / "backup.json").read_text())
    listed["files"][0]["path"] = "archive/../../evil"
    (copy / "backup.json").write_text(json.dumps(listed))
    tocsin("restore", copy, *site.at("none"), code=65)
    assert not list(site.base.rglob("evil"))
    assert not (site.base / "none" / "store-id").exists()


def test_killed_half_way_the_backup_before_is_whole(site: Site) -> None:
    """And the next one is complete."""
    for after in (0.9, 1.3):
        command = [*TOCSIN, "backup", *map(str, (site.backup, *site.where))]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True) as taking:
            time.sleep(after)
            os.killpg(taking.pid, signal.SIGKILL)
        tocsin("restore", site.backup, *site.at("none"), "--dry-run")
    again = json.loads(tocsin("backup", site.backup, *site.where, "--json"))
    listed = json.loads((site.backup / "backup.json").read_text())["files"]
    same = sum(file["size"] for file in listed if not file["path"].startswith("states/"))
    assert again["copied_bytes"] == again["bytes"] - same
    tocsin("restore", site.backup, *site.at("none"), "--dry-run")
    assert len(list((site.backup / "states").iterdir())) == 1
