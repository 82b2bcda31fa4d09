"""``tocsin run``: files in, explained alerts out, the same every time."""

import json
from pathlib import Path

import pytest

from .commands import export, folder, rows, tocsin
from .conftest import Finished

HEAD = {"type", "id", "cause", "asset", "channel", "time"}


def test_every_line_is_an_event_and_the_last_one_the_summary(finished: Finished) -> None:
    *events, summary = finished.output
    assert summary["type"] == "RunSummary"
    assert Path(summary["data_dir"]) == finished.data_dir
    assert events
    assert all(set(row) >= HEAD for row in events)


def test_planted_faults_are_found_and_the_summary_counts_what_the_log_holds(finished: Finished) -> None:
    found = [row for row in finished.output if row["type"] == "AnomalyDetected"]
    by_channel = {row["channel"]: row["time"] for row in found}
    assert any(row["channel"] == "pressure" and row["time"] == "2026-03-01T20:00:00Z" for row in found), by_channel
    assert any(row["channel"] == "temperature" and "16:40" <= row["time"][11:16] <= "17:20" for row in found)
    assert all(0 <= row["score"] <= 1 for row in found)
    counts: dict[str, int] = {}
    for row in rows(finished.exported):
        counts[row["type"]] = counts.get(row["type"], 0) + 1
    assert finished.output[-1]["counts"] == counts


def test_every_reading_that_was_acquired_is_accepted_or_rejected_with_a_reason(finished: Finished) -> None:
    log = rows(finished.exported)
    acquired = {row["id"] for row in log if row["type"] == "ReadingsAcquired"}
    judged = [row for row in log if row["type"] in ("ReadingsAccepted", "ReadingsRejected")]
    assert len(acquired) == 2 * 1501
    assert sorted(row["cause"] for row in judged) == sorted(acquired)
    verdicts = {row["verdict"] for row in judged if row["type"] == "ReadingsRejected"}
    assert verdicts == {"not a number", "duplicate", "late"}


def test_a_second_run_and_any_batch_size_write_the_same_log(finished: Finished) -> None:
    for size in ("1", "7", "1000"):
        with folder() as base:
            tocsin("run", finished.source, "--json", "--data-dir", base / "d", "--batch-rows", size)
            assert export(base / "d") == finished.exported, f"batches of {size} rows"


def test_running_the_same_files_again_in_the_same_place_adds_nothing(finished: Finished) -> None:
    again = rows(tocsin("run", finished.source, "--json", "--data-dir", finished.data_dir))
    assert again == finished.output
    assert export(finished.data_dir) == finished.exported


def test_lineage_leads_from_an_alert_to_readings_model_and_mlflow(finished: Finished) -> None:
    alert = next(row for row in finished.output if row["type"] == "AnomalyDetected")
    told = json.loads(tocsin("lineage", alert["id"][:12], "--json", "--data-dir", finished.data_dir))
    assert set(told) >= {
        "alert",
        "readings",
        "feature_set",
        "bundle",
        "model",
        "mlflow_run_id",
        "training",
        "environment",
    }
    assert told["alert"]["id"] == alert["id"]
    assert told["missing"] == {}
    assert told["bundle"]["digest"] == alert["bundle"]
    last = told["readings"][-1]
    assert (last["time"], last["value"], last["id"]) == (alert["time"], alert["value"], alert["cause"])
    assert told["model"]["version"] == "1"
    assert told["training"]["kind"] == "none"
    assert told["environment"]["hash"] == alert["environment"]


def test_lineage_leads_from_a_model_to_its_alerts_and_draws_it(finished: Finished) -> None:
    alert = next(row for row in finished.output if row["type"] == "AnomalyDetected")
    told = json.loads(tocsin("lineage", alert["bundle"][:20], "--json", "--data-dir", finished.data_dir))
    wanted = {row["id"] for row in rows(finished.exported) if row.get("bundle") == alert["bundle"]}
    assert {row["id"] for row in told["alerts"]} == wanted
    assert told["findings"] == len(wanted)
    chart = tocsin("lineage", told["models"][0]["name"], "--graph", "--data-dir", finished.data_dir)
    assert chart.startswith("flowchart LR\n")
    assert alert["bundle"][:16] in chart


def test_the_run_is_there_for_a_plain_mlflow_client(finished: Finished) -> None:
    from mlflow.tracking import MlflowClient

    alert = next(row for row in finished.output if row["type"] == "AnomalyDetected")
    told = json.loads(tocsin("lineage", alert["id"], "--json", "--data-dir", finished.data_dir))
    client = MlflowClient(tracking_uri=f"sqlite:///{finished.data_dir / 'mlflow' / 'mlflow.db'}")
    run = client.get_run(told["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert any(item.path.endswith(".gz") for item in client.list_artifacts(run.info.run_id))
    version = client.get_model_version(told["model"]["name"], told["model"]["version"])
    assert version.tags["verified"] == told["bundle"]["digest"]


def test_a_replay_gives_what_was_recorded_and_another_threshold_does_not(finished: Finished, tmp_path: Path) -> None:
    tocsin("replay", "--diff", "--data-dir", finished.data_dir)
    other = tmp_path / "other.yaml"
    shipped = Path(__file__).parent.parent.parent / "config" / "default.yaml"
    other.write_text(shipped.read_text().replace("anomaly: {}", "anomaly: {threshold: 0.99}"))
    changed = rows(tocsin("replay", "--diff", "--json", "--data-dir", finished.data_dir, "--config", other, code=1))
    lost = [row for row in changed if row["difference"] == "missing" and row["type"] == "AnomalyDetected"]
    assert len(lost) == sum(row["type"] == "AnomalyDetected" for row in finished.output)


def test_an_unknown_alert_is_said_and_ends_with_one(finished: Finished) -> None:
    assert tocsin("lineage", "feedfacefeed", "--data-dir", finished.data_dir, code=1) == ""


def test_tail_prints_what_is_in_the_log_only_for_a_running_service(finished: Finished) -> None:
    assert tocsin("tail", "--once", "--data-dir", finished.data_dir, code=69) == ""


@pytest.mark.parametrize(
    "name", ["nab/data/realKnownCause/ambient_temperature_system_failure.csv", "skab/valve1/0.csv"]
)
def test_real_files_come_to_their_end_with_every_reading_judged(name: str, real_data: Path) -> None:
    with folder() as base:
        *events, summary = rows(tocsin("run", real_data / name, "--json", "--data-dir", base / "d"))
        counts = summary["counts"]
        lines = len((real_data / name).read_text().splitlines()) - 1
        channels = 8 if "skab" in name else 1
        assert counts["ReadingsAcquired"] == lines * channels
        assert counts["ReadingsAccepted"] + counts.get("ReadingsRejected", 0) == counts["ReadingsAcquired"]
        found = [row for row in events if row["type"] == "AnomalyDetected"]
        assert found
        assert {row["channel"] for row in rows(export(base / "d"))} - {""} >= {row["channel"] for row in found}
        assert tocsin("lineage", found[0]["id"], "--json", "--data-dir", base / "d")
