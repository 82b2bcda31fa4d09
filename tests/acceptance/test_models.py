"""A model from its training to the alerts that it gave and back, by the command line, on a service that runs."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .commands import ROOT, TOCSIN, Row, folder, rows, tocsin, wait_for

MODEL = "tocsin-detector-taxi"
#: Readings that the service has when it is trained; the rest comes when its model serves.
PAST = 5_000
PLAN = {
    "range_days": 400,
    "detectors": ["mahalanobis", {"kind": "isolation_forest", "parameters": {"trees": 50}}],
    "features": {
        "kind": "windows",
        "windows": {"day": {"length_s": 86_400, "min_count": 24}},
        "features": [{"kind": "value"}, {"kind": "mean", "window": "day"}, {"kind": "std", "window": "day"}],
        "lateness_s": 60,
    },
    "alarms": 50,
}


class Site:
    """A service that follows a file, and serves what the plan's alias means."""

    def __init__(self, base: Path) -> None:
        self.base = base
        source = {"kind": "follow", "path": str(base / "grow.csv"), "asset": "city", "zone": "UTC", "poll_s": 0.1}
        config = {
            "bus": {"partitions": 2},
            "training": {"plans": {"taxi": PLAN}},
            "agents": {
                "acquisition": {"sources": {"grow": source}},
                "validation": {},
                "anomaly": {"detector": "ewma", "parameters": {"threshold": 0.2}, "model": f"{MODEL}@candidate"},
                "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
                "coordinator": {},
            },
        }
        (base / "tocsin.yaml").write_text(json.dumps(config))

    @contextmanager
    def serving(self) -> Iterator[None]:
        with (self.base / "up.log").open("ab") as log:
            command = [*TOCSIN, "up", *map(str, self.where)]
            with subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True) as service:
                try:
                    wait_for((self.base / "d" / "store-id").exists)
                    yield
                finally:
                    service.send_signal(signal.SIGTERM)

    @property
    def where(self) -> tuple[str, Path, str, Path]:
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.base / "d"

    def feed(self, lines: list[str]) -> None:
        with (self.base / "grow.csv").open("a") as file:
            file.writelines(lines)

    def log(self, stream: str) -> list[Row]:
        return rows(tocsin("export", *self.where, "--stream", stream, "--json"))

    def asked(self, *arguments: str) -> Any:
        return json.loads(tocsin(*arguments, "--json", *self.where))

    def accepted(self, count: int) -> bool:
        return len([row for row in self.log("readings.accepted") if row["type"] == "ReadingsAccepted"]) >= count


# On a machine that does much else each command takes its time.
@pytest.mark.timeout(600)
def test_trained_published_served_by_alias_and_found_both_ways(real_data: Path) -> None:
    """Two detectors are compared; the better one serves from a place of the log on; its alert leads to the data."""
    lines = (real_data / "nab/data/realKnownCause/nyc_taxi.csv").read_text().splitlines(keepends=True)
    with folder() as base:
        site = Site(base)
        with site.serving():
            site.feed(lines[: PAST + 1])
            wait_for(lambda: site.accepted(PAST), 150)
            trained = site.asked("train", "taxi")
            assert set(trained["candidates"]) == {"mahalanobis", "isolation_forest"}
            assert (trained["name"], trained["model_version"]) == (MODEL, "1")
            bundle = trained["bundle"]
            wait_for(lambda: swapped(site.log("readings.accepted"), bundle), 150)
            assert site.asked("models", "verify", MODEL, "candidate")["bundle"] == bundle
            site.feed(lines[PAST + 1 :])
            alert = wait_for(lambda: found(site.log("anomalies"), bundle), 150)[0]
            wait_for(lambda: site.asked("lineage", alert["id"])["mlflow_run_id"], 150)
        led_to(site, alert, trained)
        touched(site, alert, trained)
        tocsin("replay", "--diff", *site.where)


def swapped(log: list[Row], bundle: str) -> bool:
    """Whether the bundle serves the partition with the readings."""
    (partition,) = {row["partition"] for row in log if row["type"] == "ReadingsAccepted"}
    served = [row for row in log if row["type"] == "ModelServed" and row["bundle"] == bundle]
    return partition in {row["partition"] for row in served}


def found(log: list[Row], bundle: str) -> list[Row]:
    return [row for row in log if row["type"] == "AnomalyDetected" and row["bundle"] == bundle]


def led_to(site: Site, alert: Row, trained: Any) -> None:
    """From the alert back: the model, and the range that it was trained on."""
    told = site.asked("lineage", alert["id"])
    assert told["missing"] == {}
    assert told["readings"]
    assert (told["model"]["name"], told["model"]["version"]) == (MODEL, "1")
    assert told["bundle"]["detector"]["kind"] == trained["detector"]
    assert told["bundle"]["postprocessor"]["kind"] == "calibrated"
    assert told["alert"]["threshold"] <= told["alert"]["score"]
    assert told["training"] == trained["training"]
    ((first, last),) = told["training"]["partitions"].values()
    assert (first, last - first + 1) == (1, PAST)
    assert last < alert["evidence"]["first"]


def touched(site: Site, alert: Row, trained: Any) -> None:
    """And from the training data, the model and a reading of the range to every alert of the bundle, and no other."""
    log = [row for row in site.log("anomalies") if row["type"] == "AnomalyDetected"]
    ours = {row["id"] for row in log if row["bundle"] == trained["bundle"]}
    assert all((row["evidence"]["last"] > PAST) == (row["id"] in ours) for row in log), "each served on its side"
    assert len(ours) < len(log), "the detector before it raised alerts, too"
    for what in (trained["training"]["digest"], f"{MODEL}/1"):
        named = {each["id"] for each in site.asked("lineage", what)["alerts"]}
        assert alert["id"] in ours, what
        assert named & {row["id"] for row in log} == ours, what
    reading = f"readings.accepted/{alert['partition']}:7-7"
    assert trained["bundle"] in site.asked("lineage", reading)["of"]["trained"]
