"""The service is started from another folder, by systemd instead of by hand, and its relative paths lead elsewhere. The
registry is empty, a new store is made without a word, and the models are gone until somebody finds the old one.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.tracking import Store, connect

Open = Callable[[str], Store]


def as_given(uri: str) -> Store:
    """The store as the setting spells it."""
    return Store(uri, "file:artifacts")


def check(opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (folder / name / "mlflow").mkdir(parents=True)
    monkeypatch.chdir(folder / "one")
    store = opened("sqlite:///mlflow/mlflow.db")
    first = connect(store)
    run_id = first.begin_run(first.experiment("tocsin"), "x", {})
    # The same settings object in a process that stands elsewhere by now, as after a daemon's chdir.
    monkeypatch.chdir(folder / "two")
    second = connect(store)
    assert not list((folder / "two" / "mlflow").glob("*.db")), "a new, empty store"
    found = [run.info.run_id for run in second.runs(second.experiment("tocsin"), "")]
    assert found == [run_id]


def test_a_store_is_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(Store.at, tmp_path, monkeypatch)


def test_a_path_that_is_taken_as_it_is_leads_to_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="a new, empty store"):
        check(as_given, tmp_path, monkeypatch)
