"""``tocsin recover`` after a total loss: the data directory is gone, and comes back from a backup."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.recoveries.loss import MARK

from .commands import ROOT, TOCSIN, folder, rows, wait_for
from .conftest import Finished
from .nursery import Nursery


@dataclass(frozen=True)
class Lost:
    """An installation that was backed up, and whose data directory was deleted then."""

    base: Path
    nursery: Nursery
    told: str

    @property
    def where(self) -> tuple[str, Path]:
        return "--data-dir", self.base / "d"

    def recover(self, *arguments: str, code: int) -> dict[str, dict[str, Any]]:
        found = json.loads(self.nursery.tocsin("recover", *arguments, *self.where, "--json", code=code))
        return {row["step"]: row for row in found}


@pytest.fixture
def lost(finished: Finished) -> Iterator[Lost]:
    nursery = Nursery()
    with folder() as base:
        shutil.copytree(finished.data_dir, base / "d")
        nursery.tocsin("backup", base / "backups" / "monday", "--data-dir", base / "d")
        shutil.rmtree(base / "d")
        yield Lost(base, nursery, finished.exported)
        nursery.close()


def test_a_log_that_is_gone_comes_back_from_the_newest_whole_backup(lost: Lost) -> None:
    """After a yes alone; killed half-way it is done again; what came back is what was there, byte for byte."""
    newer = lost.base / "backups" / "tuesday"
    shutil.copytree(lost.base / "backups" / "monday", newer)
    listed = json.loads((newer / "backup.json").read_text())
    (newer / "backup.json").write_text(json.dumps({**listed, "made": "2099-01-01T00:00:00Z"}))
    damaged = newer / next(file["path"] for file in listed["files"] if file["size"])
    whole = damaged.read_bytes()
    damaged.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])

    assert lost.recover("--dry-run", code=1)["restore"]["outcome"] == "planned"
    assert lost.recover(code=3)["restore"]["outcome"] == "unconfirmed", "nobody sits there to be asked"
    assert not (lost.base / "d").exists()

    command = [*TOCSIN, "recover", "--yes", *map(str, lost.where)]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL) as half:
        wait_for((lost.base / "d" / MARK).exists)
        os.killpg(half.pid, signal.SIGKILL)
    assert "interrupted" in lost.recover("--dry-run", code=1)["restore"]["wrong"]

    step = lost.recover("--yes", code=0)["restore"]
    assert step["outcome"] == "done"
    assert "1 newer ones are damaged" in step["said"]
    assert lost.nursery.tocsin("export", "--json", *lost.where) == lost.told
    lost.nursery.tocsin("replay", "--diff", *lost.where, code=0)
    assert lost.recover(code=0) == {}, "nothing is left to do"
    events = rows(lost.nursery.tocsin("export", "--all", "--stream", "lifecycle", "--json", *lost.where))
    assert [(row["step"], row["level"], row["outcome"]) for row in events if row["type"] == "RecoveryStepTaken"] == [
        ("restore", 3, "done")
    ]
