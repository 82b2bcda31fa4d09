"""Several processes start with a new MLflow store, each sees that it has to be migrated, and all begin at once. The
store is left with half of its tables, or some of them end with "table already exists" and are missed only later.
"""

import subprocess
import sys
from pathlib import Path

import pytest


def check(way: str, processes: int, data_dir: Path) -> None:
    command = [sys.executable, "-m", "tests.seeds.migrating", way, str(processes), str(data_dir)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    failed = int(said.stdout)
    assert failed == 0, f"{failed} of {processes} could not open the new store: {said.stderr[-400:]}"
    assert said.stderr == "", "migrations are told to whoever is at the terminal"


def test_ten_processes_open_a_new_store_at_once(tmp_path: Path) -> None:
    check("ours", 10, tmp_path)


def test_without_a_lock_they_break_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="could not open the new store"):
        check("bare", 3, tmp_path)
