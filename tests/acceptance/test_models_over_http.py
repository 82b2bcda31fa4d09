"""What serves is changed over HTTP, on a service that runs: the alias in MLflow, and then every partition."""

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.bundle import builtin
from models.cache import BundleCache
from models.registry import Registry
from models.tracking import Store, connect
from tests.clusters import free_ports

from .commands import ROOT, TOCSIN, folder, rows, tocsin, wait_for
from .test_rollout import ASSETS, STEPS, lines

NAME = "tocsin-detector-ewma"


@dataclass
class Site:
    """A service with an interface; it follows a file and an alias."""

    base: Path
    client: httpx.Client

    @property
    def where(self) -> tuple[str, Path, str, Path]:
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.base / "d"

    def publish(self) -> str:
        """Another version, which production means from then on."""
        cache = BundleCache(self.base / "d")
        bundle = builtin("ewma", {"warmup": 77}, name="ewma")
        cache.put(bundle)
        return Registry(connect(Store.local(self.base / "d")), cache, "tocsin").publish(bundle.digest, NAME).number

    def serves(self, version: str) -> bool:
        """Whether the interface says so, and every partition does."""
        (serving,) = self.client.get("/api/v1/models").json()["serving"]
        log = rows(tocsin("export", *self.where, "--stream", "readings.accepted", "--json"))
        last = {row["partition"]: row["bundle"] for row in log if row["type"] == "ModelServed"}
        return serving["version"] == version and set(last.values()) == {serving["bundle"]}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(f"/api/v1{path}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
def site() -> Iterator[Site]:
    with folder() as base:
        source = {"kind": "follow", "path": str(base / "grow.csv"), "poll_s": 0.1}
        (port,) = free_ports(1)
        config = {
            "bus": {"partitions": 2},
            "api": {"port": port},
            "agents": {
                "acquisition": {"sources": {"grow": source}},
                "validation": {},
                "anomaly": {"detector": "ewma", "model": f"{NAME}@production"},
                "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
                "coordinator": {},
            },
        }
        (base / "tocsin.yaml").write_text(json.dumps(config))
        (base / "grow.csv").write_text("timestamp,asset,temperature\n" + lines(0, STEPS))
        url = f"http://127.0.0.1:{port}"
        with (base / "up.log").open("ab") as log, httpx.Client(base_url=url, timeout=150) as client:
            found = Site(base, client)
            command = [*TOCSIN, "up", *map(str, found.where)]
            with subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True) as service:
                try:
                    wait_for(lambda: _answers(client), 120)
                    yield found
                finally:
                    service.send_signal(signal.SIGTERM)


def _answers(client: httpx.Client) -> bool:
    try:
        return bool(client.get("/api/v1/models").json()["models"])
    except httpx.TransportError:
        return False


@pytest.mark.soak
def test_promoting_and_rolling_back_over_http_changes_what_serves(site: Site) -> None:
    """Twenty seconds each: MLflow is imported, and the golden vectors are scored again."""
    assert len(rows(tocsin("export", *site.where, "--stream", "readings.accepted", "--json"))) <= STEPS * ASSETS + 4
    second = site.publish()
    wait_for(lambda: site.serves(second), 120)
    moved = site.post(f"/models/{NAME}/promote", {"version": "1", "by": "ann", "note": "calmer"})
    assert (moved["version"], moved["before"], moved["how"], moved["by"]) == ("1", second, "promoted", "ann")
    wait_for(lambda: site.serves("1"), 120)
    back = site.post(f"/models/{NAME}/rollback", {"by": "ann"})
    assert (back["version"], back["how"]) == (second, "rolled back")
    wait_for(lambda: site.serves(second), 120)
    refused = site.client.post(f"/api/v1/models/{NAME}/promote", json={"version": "9"})
    assert refused.status_code == 404, refused.text
    model = site.client.get(f"/api/v1/models/{NAME}/versions").json()
    assert [move["version"] for move in model["moves"][:2]] == [second, "1"]


@pytest.mark.soak
def test_health_tells_what_the_doctor_finds(site: Site) -> None:
    """It looks in the background, at the embedded server as well; the first who asks does not wait for it."""
    assert site.client.get("/api/v1/health").json()["state"] == "looking"
    wait_for(lambda: site.client.get("/api/v1/health").json()["at"], 120)
    found = {row["check"]: row for row in site.client.get("/api/v1/health").json()["findings"]}
    assert found["config"]["status"] == "ok"
    assert found["embedded-server"]["status"] == "ok", found["embedded-server"]
    assert found["redis"]["status"] == "ok"
