"""The benchmark of the bus runs, and says what it promises to say; not how fast anything is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.bus import peers, report
from bench.bus.latency import hops
from bench.bus.rounds import Sample, measured
from bus.embedded import EmbeddedServer

KEYS = {
    "publish_awaited_vs_raw", "publish_script_vs_raw", "ordered_vs_raw", "exactly_once_vs_raw", "packed_vs_raw",
    "columns_vs_raw_columns", "columns_readings_per_s", "vs_faststream", "vs_faststream_batch",
    "hop_p50_vs_raw", "hop_p99_vs_raw",
}  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with EmbeddedServer(tmp_path / "r") as server:
        yield server.url


async def test_every_figure_is_measured(url: str) -> None:
    samples = await measured(url, rounds=1, events=1_000, entries=20)
    latencies = await hops(url, turns=1)
    found = report.ratios(samples, latencies)
    assert set(found) == KEYS
    assert all(value > 0 for name, value in found.items() if "faststream" not in name)
    if peers.installed():
        assert found["vs_faststream"] > 0
        assert found["vs_faststream_batch"] > 0
    rows = report.details(samples, latencies)
    assert set(rows) == set(samples) | {"raw.latency", "ours.latency"}
    assert all(name in report.table({**found, "details": rows}) for name in KEYS)


def samples(**wall: float) -> dict[str, list[Sample]]:
    """Three rounds around each figure, one of them spoilt."""
    return {
        name.replace("_", ".", 1): [Sample(value, 1, 1), Sample(value * 50, 1, 1), Sample(value * 0.99, 1, 1)]
        for name, value in wall.items()
    }


COSTS: dict[str, float] = {
    "raw_publish": 6, "raw_consume": 3, "raw_columns_in": 1, "raw_columns_out": 0.05, "ours_publish_awaited": 3,
    "ours_publish_script": 4, "ours_ordered": 4, "ours_hop": 6, "ours_packed": 1, "ours_columns_in": 0.1,
    "ours_columns_out": 0.1, "faststream_consume": 160, "faststream_batch": 16,
}  # fmt: skip
HOPS = {"raw": [100.0] * 99 + [1000.0], "ours": [150.0] * 99 + [500.0]}


def test_ratios_are_of_medians_and_more_is_better() -> None:
    found = report.ratios(samples(**COSTS), HOPS)
    assert found["publish_awaited_vs_raw"] == 2.0
    assert found["ordered_vs_raw"] == 0.75
    assert found["exactly_once_vs_raw"] == 0.5
    assert found["columns_vs_raw_columns"] == 0.5
    assert found["columns_readings_per_s"] == 5_000_000
    assert (found["vs_faststream"], found["vs_faststream_batch"]) == (40.0, 4.0)
    assert (found["hop_p50_vs_raw"], found["hop_p99_vs_raw"]) == (1.5, 0.5)


def test_processor_time_of_client_and_server_is_added_up() -> None:
    found = report.by_processor(
        {name: [Sample(9, 3, 2)] for name in samples(**COSTS)} | {"ours.hop": [Sample(9, 1, 1)]}
    )
    assert found["exactly_once_vs_raw"] == 2.5
    assert found["ordered_vs_raw"] == 1.0


def test_table_marks_what_falls_short_and_what_is_not_installed() -> None:
    without = {name: value for name, value in COSTS.items() if not name.startswith("faststream")}
    found: dict[str, Any] = {**report.ratios(samples(**without), HOPS), "details": {}}
    assert found["vs_faststream"] is None
    lines = {line.split()[0]: line for line in report.table(found).splitlines() if line.strip()}
    assert "not installed" in lines["vs_faststream_batch"]
    assert " ! " in lines["columns_vs_raw_columns"]
    assert " ! " not in lines["ordered_vs_raw"]


def test_history_has_a_line_for_each_run(tmp_path: Path) -> None:
    for number in (1, 2):
        report.remember(tmp_path / "history.jsonl", {"run": number, "machine": report.machine()})
    runs = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [run["run"] for run in runs] == [1, 2]
    assert runs[0]["machine"]["cores"] > 0
