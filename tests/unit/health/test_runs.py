"""A store of MLflow whose tables are not there yet, or not any more."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agents.health.runs import being_made, trainings
from contracts.errors import Unavailable
from contracts.instants import SECOND


def test_a_store_that_is_made_at_this_moment_has_no_trainings_and_is_not_damaged(tmp_path: Path) -> None:
    """MLflow makes the file first, and its tables in the seconds after."""
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE other (x)")
    now = path.stat().st_mtime_ns + 5 * SECOND
    assert trainings("", path, 1, now) == []
    with pytest.raises(Unavailable, match="no such table"):
        trainings("", path, 1, now + 60 * SECOND)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        trainings("", path, 1, now)
    assert not being_made(tmp_path / "gone", sqlite3.OperationalError("no such table: runs"), now)
