"""A report on an incident, from a run that ended, and what lies beside it runs elsewhere."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.incidents.printed import installed

from .commands import Row, folder, rows, tocsin
from .conftest import Finished


@dataclass(frozen=True)
class Written:
    """A report in its folder, and the alert that it is about."""

    path: Path
    alert: Row
    printed: str


@pytest.fixture(scope="module")
def written(finished: Finished) -> Iterator[Written]:
    alert = next(row for row in rows(finished.exported) if row["type"] == "AnomalyDetected")
    with folder() as base:
        path = base / "pump's <incident>"
        printed = tocsin("incident", alert["id"][:12], "--output", path, "--json", "--data-dir", finished.data_dir)
        yield Written(path, alert, printed)


def test_everything_stands_in_the_folder_and_says_the_same(written: Written) -> None:
    document = json.loads((written.path / "report.json").read_text())
    assert json.loads(written.printed) == document
    assert document["alert"]["finding"] == written.alert["id"]
    assert document["lineage"]["alert"]["evidence"] == written.alert["evidence"]
    assert document["lineage"]["model"]["version"]
    assert written.alert["id"] in [row["id"] for row in document["timeline"] if row["what"] == "AnomalyDetected"]
    names = {path.name for path in written.path.iterdir()}
    expected = {"bundle.tar", "report.json", "report.md", "report.html"}
    assert names == (expected | {"report.pdf"} if installed() else expected)
    assert set(document["missing"]) == (set() if installed() else {"report.pdf"})
    for name in ("report.md", "report.html"):
        text = (written.path / name).read_text()
        assert written.alert["id"] in text
        for heading in (
            "Summary",
            "Impact",
            "Timeline",
            "Root cause",
            "Immediate fix",
            "Permanent prevention",
            "Lessons",
        ):
            assert heading in text
    assert written.path.stat().st_mode & 0o077 == 0


def test_the_bundle_says_the_same_on_another_machine(written: Written) -> None:
    with folder() as base:
        path = Path(shutil.copy(written.path / "bundle.tar", base / "b.tar"))
        again = rows(tocsin("replay", path, "--json", "--stream", "anomalies", "--data-dir", base / "d"))
        assert written.alert in again


def test_nothing_is_overwritten_and_a_refusal_leaves_nothing(written: Written, finished: Finished) -> None:
    before = (written.path / "report.json").read_bytes()
    where = ("--data-dir", finished.data_dir)
    tocsin("incident", written.alert["id"], "--output", written.path, *where, code=78)
    assert (written.path / "report.json").read_bytes() == before
    tocsin("incident", "ffffffffffff", "--output", written.path.parent / "none", *where, code=1)
    assert [path.name for path in written.path.parent.iterdir()] == [written.path.name]
