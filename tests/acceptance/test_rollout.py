"""Rollouts from beginning to end, by the command line, on a service that runs."""

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.serving.slots import decides
from models.bundle import builtin
from models.cache import BundleCache

from .commands import ROOT, TOCSIN, Row, folder, rows, tocsin, wait_for

ASSETS = 20
#: Two of these make ten thousand readings.
STEPS = 250


def lines(first: int, last: int) -> str:
    """A reading of every asset each minute; every 50th minute one of them spikes."""
    found = []
    for i in range(first, last):
        stamp = f"2026-03-{1 + i // 1440:02d}T{i // 60 % 24:02d}:{i % 60:02d}:00Z"
        for number in range(ASSETS):
            noise = ((i * 7919 + number * 104_729) % 1000) / 1000
            spike = 90.0 if i % 50 == 49 and number == i // 50 % ASSETS else 0.0
            found.append(f"{stamp},pump-{number},{20 + noise + spike:.3f}\n")
    return "".join(found)


@dataclass
class Site:
    """A service that follows a file."""

    base: Path
    steps: int = 0

    @property
    def where(self) -> tuple[str, Path, str, Path]:
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.base / "d"

    def bundle(self, kind: str, **parameters: Any) -> str:
        made = builtin(kind, parameters)
        BundleCache(self.base / "d").put(made)
        return made.digest

    def feed(self) -> None:
        with (self.base / "grow.csv").open("a") as file:
            file.write(lines(self.steps, self.steps + STEPS))
        self.steps += STEPS

    def log(self, stream: str) -> list[Row]:
        return rows(tocsin("export", *self.where, "--stream", stream, "--json"))

    def status(self) -> Any:
        return json.loads(tocsin("rollout", "status", "--all", "--json", *self.where))

    def in_force(self, digest: str, *, candidate: bool) -> bool:
        """Whether a bundle serves in every partition with assets."""
        said = [row for row in self.log("readings.accepted") if row["type"] == "ModelServed"]
        last = {row["partition"]: row for row in said}
        served = [(row["candidate"] or {}).get("bundle") if candidate else row["bundle"] for row in last.values()]
        return len(served) == 2 and set(served) == {digest}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with folder() as base:
        source = {"kind": "follow", "path": str(base / "grow.csv"), "poll_s": 0.1}
        config = {
            "bus": {"partitions": 2},
            "agents": {
                "acquisition": {"sources": {"grow": source}},
                "validation": {},
                "anomaly": {"detector": "ewma", "clear_after": 1},
                "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
                "coordinator": {},
            },
        }
        (base / "tocsin.yaml").write_text(json.dumps(config))
        (base / "grow.csv").write_text("timestamp,asset,temperature\n")
        found = Site(base)
        with (base / "up.log").open("ab") as log:
            command = [*TOCSIN, "up", *map(str, found.where)]
            with subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True) as service:
                try:
                    wait_for((base / "d" / "store-id").exists)
                    found.feed()
                    wait_for(lambda: len(found.log("readings.accepted")) >= STEPS * ASSETS, 90)
                    yield found
                finally:
                    service.send_signal(signal.SIGTERM)


def test_a_canary_decides_for_its_assets_and_its_guard_ends_it(site: Site) -> None:
    """A model that alarms at every tenth reading; assets that are not in the share never hear of it."""
    bad = site.bundle("limits", high=20.9)
    guards = ("--guard", "alert_ratio=3", "--guard", "least_readings=1000")
    tocsin("rollout", "start", "anomaly", "--model", bad, "--mode", "canary", "--share", "50", *guards, *site.where)
    tocsin("rollout", "start", "anomaly", "--model", bad, *site.where, code=78)
    wait_for(lambda: site.in_force(bad, candidate=True), 60)
    for _ in range(4):
        site.feed()
    wait_for(lambda: site.status()[0]["state"] == "aborted", 90)
    ended = site.status()[0]
    assert (ended["by"], ended["mode"]) == ("guard", "canary")
    assert ended["why"].startswith("alert ratio ")
    assert ended["candidate"]["alerts"] > 3 * ended["champion"]["alerts"]
    rollout = ended["rollout"]
    found = [row for row in site.log("anomalies") if row["type"] == "AnomalyDetected" and row["bundle"] == bad]
    assert found
    assert all(decides(rollout, 50, row["asset"]) for row in found)
    wait_for(lambda: not site.in_force(bad, candidate=True), 60)


def test_a_shadow_tells_nobody_and_takes_over_when_it_is_promoted(site: Site) -> None:
    """Its findings stand apart until then; the whole past replays byte for byte."""
    better = site.bundle("mad")
    tocsin("rollout", "start", "anomaly", "--model", better, "--mode", "shadow", *site.where)
    wait_for(lambda: site.in_force(better, candidate=True), 60)
    site.feed()
    wait_for(lambda: any(row["bundle"] == better for row in site.log("shadow")), 60)
    assert not [row for row in site.log("anomalies") if row["bundle"] == better]
    tocsin("rollout", "promote", "anomaly", "--why", "it is better", *site.where)
    wait_for(lambda: site.in_force(better, candidate=False), 60)
    site.feed()
    wait_for(lambda: any(row["bundle"] == better for row in site.log("anomalies")), 60)
    theirs = [row for row in site.log("anomalies") if row["bundle"] == better and row["type"] == "AnomalyDetected"]
    alert = theirs[0]["id"]
    tocsin("alerts", "label", alert[:16], "true", "--note", "bearing", *site.where)
    listed = rows_of(tocsin("alerts", "ls", "--labelled", "--json", *site.where))
    assert [(row["id"], row["verdict"], row["note"]) for row in listed] == [(alert, "true alarm", "bearing")]
    assert site.status()[0]["candidate"]["true_alarms"] == 1
    tocsin("replay", "--diff", *site.where)


def rows_of(text: str) -> list[Row]:
    """One JSON document that is a list."""
    found: list[Row] = json.loads(text)
    return found
