"""The benchmark of the pipeline runs, and says what it promises to say; not how fast anything is."""

from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from bench.pipeline import __main__ as bench
from bench.pipeline import ours, peer
from bench.pipeline.feed import START_NS, STEP_NS, Made
from bench.pipeline.processes import Memory
from contracts.readings import joined
from models.detectors import DETECTORS, score_batch

KEYS = {"readings_per_s", "alert_p99_ms", "vs_faststream_river"}


def test_readings_follow_from_row_and_series() -> None:
    """However they are cut: the agents' own checks rely on it after a restart."""
    made = Made("feed", 20)
    whole, parts = made.rows(1_015, 30), joined([made.rows(1_015, 11), made.rows(1_026, 19)])
    assert len(whole) == 600
    for name in ("code", "time", "value", "position"):
        assert getattr(whole, name).tobytes() == getattr(parts, name).tobytes()
    assert whole.time[0] == START_NS + 1_015 * STEP_NS
    assert len(np.unique(made.rows(0, 2_000).value)) > 39_000, "nothing repeats soon"


def test_spikes_surprise_a_detector_again_and_again() -> None:
    """Every so many rows, in a series after the other: at a fixed rate there are always alerts to time."""
    made, detector = Made("feed", 20), DETECTORS["records"]()
    readings = joined([made.rows(0, 1_000), made.rows(1_000, 2_000, planted_from=1_000)])
    state = detector.start()
    detector.grow(state, 20)
    scores = score_batch(detector, state, readings.code.astype(np.int64), readings.time, readings.value)
    alarms = np.flatnonzero(scores.score[20_000:] >= detector.threshold)
    assert len(alarms) > 100, "spikes of a series are 20 readings apart, and most silence some that follow"
    assert (readings.value[20_000:][alarms] > 9).mean() > 0.9


def test_the_whole_pipeline_is_measured(tmp_path: Path) -> None:
    """Readings go through all tasks, faster than none; at a fixed rate their alerts are timed; nothing dies."""
    plan = ours.Plan(series=40, saturated_s=1.0, paced_s=3.0, maxmemory_mb=512)
    with ours.service(tmp_path, plan) as (url, pids):
        found = anyio.run(ours.measured, url, pids, plan)
        assert all(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert found.readings_per_s > 0
    assert set(found.memory) == {"server", "server_data", *ours.PROCESSES}
    assert all(each["mb"][0] > 1 for each in found.memory.values())
    assert len(found.latencies) > 2, "a spike every ten rows"
    assert all(0 < latency < 60_000 for latency in found.latencies)
    assert found.latencies == sorted(found.latencies)
    assert sum(found.processor_s.values()) > 0


def test_a_slow_start_shortens_what_is_measured() -> None:
    """So that the quick run ends in time; never to nothing."""
    plan = ours.Plan(saturated_s=6.0, paced_s=4.0, most_s=21.0)
    assert [plan.fitted(spent).saturated_s for spent in (1.0, 10.0, 15.0, 90.0)] == [6.0, 6.0, 3.0, pytest.approx(2.4)]


def sample(**changes: Any) -> ours.Measured:
    values: dict[str, Any] = {
        "readings_per_s": 300_000.0, "saturated_s": 10.0, "slices": [310_000.0, 290_000.0], "alert_rate": 150_000.0,
        "latencies": [float(i) for i in range(1, 101)], "processor_s": {"first": 6.0, "server": 2.0},
        "memory": {"first": {"mb": [100, 102], "mb_per_minute": 0.1, "flat": True}},
        "paced_s": 600.0, "paced_slices": [301_000.0, 299_000.0], "paced_processor_s": {"first": 500.0},
    }  # fmt: skip
    return ours.Measured(**{**values, **changes})


def test_the_result_has_the_figures_that_are_asked_for() -> None:
    result = bench.as_result(sample(), 4_000.0, ours.Plan(), quick=False)
    assert set(result) >= KEYS
    assert (result["readings_per_s"], result["per_processor_s"], result["slowest_part"]) == (300_000, 375_000, 290_000)
    assert (result["alert_p50_ms"], result["alert_p99_ms"], result["alerts"]) == (51.0, 100.0, 100)
    assert result["vs_faststream_river"] == 75.0
    assert result["memory"]["first"]["mb"] == [100, 102]
    assert result["sustained"]["readings_per_s"] == 300_000
    assert result["sustained"]["per_processor_s"] == 360_000
    assert result["holds"] == {"rate": True, "alerts": True, "memory": True}
    assert all(name in bench.table(result) for name in KEYS)


def test_a_promise_that_is_not_kept_is_told() -> None:
    grows = {"first": {"mb": [100, 200], "mb_per_minute": 10.0, "flat": False}}
    found = sample(memory=grows, paced_slices=[250_000.0], latencies=[200.0] * 98 + [300.0] * 2)
    assert bench.as_result(found, None, ours.Plan(), quick=False)["holds"] == {
        "rate": False, "alerts": False, "memory": False,
    }  # fmt: skip


def test_memory_that_grows_is_told_from_memory_that_goes_up_and_down() -> None:
    """Over ten minutes: what a buffer fills in the beginning does not count, what a leak adds does."""

    def said(mb: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, Any]:
        found: dict[str, Any] = Memory({}, [float(i) for i in range(600)], {"it": mb.tolist()}).told()["it"]
        return found

    second = np.arange(600.0)
    begins = np.minimum(100 + second, 250)
    assert said(begins + 40 * np.sin(second / 5))["flat"] is True
    assert said(begins + second / 15)["flat"] is False
    assert said(begins + second / 15)["mb_per_minute"] == pytest.approx(4.0, abs=0.5)
    assert said(begins[::-1])["flat"] is True, "less is no leak"
    assert len(said(second)["mb"]) <= 60
    brief = Memory({}, [0.0, 30.0, 60.0], {"it": [100.0, 200.0, 300.0]}).told()["it"]
    assert brief["flat"] is None


def test_what_could_not_be_measured_is_null() -> None:
    result = bench.as_result(sample(latencies=[], memory={}), None, ours.Plan(), quick=True)
    assert result["holds"]["memory"] is None
    assert result["vs_faststream_river"] is None
    assert result["alert_p99_ms"] is None


def test_the_peer_does_the_same_job(tmp_path: Path) -> None:
    if not peer.installed():
        pytest.skip("FastStream or river is not installed")
    models, values = peer.Models(), peer.values(2_000)
    values[1_500:] += 3.0
    said = [models.learn(value) for value in values.tolist()]
    assert "drift" in said[1_500:]
    assert 1 <= said.count("anomaly") < 200
