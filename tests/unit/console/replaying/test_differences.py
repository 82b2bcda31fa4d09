"""Pages of differences: each is told once, with what changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from console.replaying.differences import page
from contracts.errors import NotFound


def line(word: str, number: int, channel: str = "temp", **fields: Any) -> dict[str, Any]:
    return {
        "difference": word, "type": "AnomalyCleared", "id": f"i{number}", "cause": "c", "asset": "m",
        "channel": channel, "time": f"2026-01-01T00:00:{number:02d}Z", "lasted": 5, "partition": 0,
        "stream": "anomalies", **fields,
    }  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    rows = [line(("missing", "extra")[n % 2], n, ("temp", "flow")[n % 3 == 0]) for n in range(20)]
    rows.append(line("moved", 30, was={"time": "2026-01-01T00:00:25Z", "id": "old", "lasted": 9}))
    rows.append(line("changed", 40, was={"lasted": 9, "evidence.first": 3}, evidence={"first": 4}))
    path = tmp_path / "differences.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize("most", [1, 3, 7, 22, 100])
def test_pages_hold_each_difference_once_and_in_order(kept: Path, most: int) -> None:
    found, after = [], "0"
    while after:
        rows, after = page(kept, int(after), most)
        assert len(rows) <= most
        found += rows
    assert [row["time_now"] or row["time"] for row in found] == [
        json.loads(text)["time"] for text in kept.read_text().splitlines()
    ]


def test_the_last_page_says_that_it_is_the_last(kept: Path) -> None:
    assert page(kept, 0, 22)[1] == ""
    assert page(kept, 0, 21)[1] != ""


def test_they_can_be_chosen(kept: Path) -> None:
    assert len(page(kept, 0, 100, fate="appears")[0]) == 10
    assert {row["channel"] for row in page(kept, 0, 100, series="m/flow")[0]} == {"flow"}
    assert len(page(kept, 0, 100, series="m")[0]) == 22
    assert page(kept, 0, 100, series="m/tem")[0] == page(kept, 0, 100, kind="AnomalyDetected")[0] == []


def test_each_says_what_was_and_what_is(kept: Path) -> None:
    rows = {row["difference"]: row for row in page(kept, 0, 100)[0]}
    assert (rows["vanishes"]["before"], rows["vanishes"]["after"]) == ({"lasted": 5}, {})
    assert (rows["appears"]["before"], rows["appears"]["after"]) == ({}, {"lasted": 5})
    assert (rows["vanishes"]["time_now"], rows["appears"]["recorded"]) == ("", "")
    moved, changed = rows["moves"], rows["changes"]
    assert (moved["time"], moved["time_now"], moved["recorded"]) == (
        "2026-01-01T00:00:25Z", "2026-01-01T00:00:30Z", "old",
    )  # fmt: skip
    assert (moved["before"], moved["after"]) == ({"lasted": 9}, {"lasted": 5})
    assert (changed["before"], changed["after"]) == (
        {"lasted": 9, "evidence.first": 3},
        {"lasted": 5, "evidence.first": 4},
    )


def test_a_place_where_no_line_begins_is_refused_and_a_line_that_is_cut_off_ends_it(kept: Path) -> None:
    with pytest.raises(NotFound, match="no page begins"):
        page(kept, 3, 10)
    with pytest.raises(NotFound, match="no page begins"):
        page(kept, 10**9, 10)
    kept.write_bytes(kept.read_bytes()[:-5])
    assert len(page(kept, 0, 100)[0]) == 21
    with pytest.raises(NotFound):
        page(kept.with_name("none"), 0, 10)
