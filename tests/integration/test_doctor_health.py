"""The doctor on the health of data and models: it finds each fault that is planted, names it, and nothing else."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from console.checks import health
from console.checks.finding import Finding
from contracts.events import ModelLoaded, ReadingsAcquired
from contracts.instants import DAY, SECOND
from contracts.readings import Readings, Series
from models.bundle import builtin
from models.cache import BundleCache
from models.manifest import TrainedOn
from models.tracking import Tracking, connect
from models.training.recording import record
from models.training.result import Candidate, Result
from tests.integration.faults import assert_told
from tests.integration.mlflow_stores import local_store
from tests.integration.test_doctor import HEALTHY, Home, look, read_all, wrong
from tests.integration.test_doctor import home as home  # the fixture

CONFIG = {
    "bus": {"partitions": 2},
    "training": {"plans": {"pumps": {"every_h": 24}}},
    "health": {"floors": {"r2": 0.8}, "growth_gb": 0.001},
    "agents": {
        "acquisition": {"sources": {"push": {"kind": "http"}}},
        "validation": {},
        "notification": {"sinks": {"file": {"kind": "file", "path": "alerts.jsonl"}}},
    },
}
RANGE = TrainedOn(stream="readings.accepted", partitions={"0": (1, 9)}, since=1, until=10**18, readings=9, digest="d")
HOUR, STEP = 3_600 * SECOND, 600 * SECOND
#: What is imported for a check may take longer than the check.
PATIENT = replace(HEALTHY, timeout_s=40.0)
Times = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass
class Site:
    """A log, a store with a training, and a bundle that is served; what is planted is done to these."""

    home: Home
    tracking: Tracking
    bundle: Path
    now: int

    def times(self) -> Times:
        """A reading every ten minutes, for six days up to now."""
        return np.arange(self.now - 6 * DAY, self.now, STEP, dtype=np.int64)

    def told(self, times: Times) -> None:
        """Those readings come in, and are read."""
        count = len(times)
        zeros = np.zeros(count, np.int64)
        series = [Series("push", "pump-1", "flow")]
        self.home.append(ReadingsAcquired(Readings.of(series, zeros, times, np.ones(count), np.arange(count))))
        self.home.on_bus(read_all(str(count)))

    def trained(self, key: str, r2: float) -> None:
        best = Candidate(label="ewma", kind="ewma", parameters={}, bundle="b" * 64, measures={"r2": r2})
        result = Result(
            key=key, plan="pumps", model="m", alias="candidate", publish=False, params={},
            trained_on=RANGE, candidates=(best,), chosen="ewma", why="it is", seconds=3.0,
        )  # fmt: skip
        record(self.tracking, "tocsin", result)

    def look(self) -> dict[str, Finding]:
        return look(self.home.choices, PATIENT)


@pytest.fixture
def site(home: Home, template: Path) -> Site:
    home.config.write_text(json.dumps(CONFIG))
    tracking = connect(local_store(home.data_dir, template))
    bundle = builtin("ewma")
    folder = BundleCache(home.data_dir).put(bundle)
    site = Site(home, tracking, folder, time.time_ns())
    home.append(ModelLoaded.of(cause="c", time=1, asset="anomaly", bundle=bundle.digest, agent="anomaly"))
    site.trained("first", 0.9)
    return site


def test_a_healthy_system_has_no_finding(site: Site) -> None:
    site.told(site.times())
    findings = site.look()
    assert wrong(findings) == {}
    looked_at = {name for name in health.NAMES if findings[name].status == "ok"}
    assert looked_at == {
        *("training-runs", "metric-floor", "artifact-growth", "data-gaps", "records-per-day", "served-models")
    }


def no_training(site: Site) -> str:
    """The last one began 50 hours ago."""
    site.told(site.times())
    with closing(sqlite3.connect(site.home.data_dir / "mlflow" / "mlflow.db")) as database, database:
        database.execute("UPDATE runs SET start_time = start_time - ?", (50 * 3_600_000,))
    return "no training in the last 48 h of: pumps"


def under_its_floor(site: Site) -> str:
    site.told(site.times())
    site.trained("second", 0.7)
    return "pumps: r2 is 0.7, the floor is 0.8"


def gap(site: Site) -> str:
    """Nothing for seven hours, half a day ago."""
    age = site.now - site.times()
    site.told(site.times()[(age > 20 * HOUR) | (age <= 13 * HOUR)])
    return "silent for over 6 h: push: "


def half_the_readings(site: Site) -> str:
    """Two of five since yesterday, evenly."""
    times = site.times()
    site.told(times[(times < (site.now // DAY - 1) * DAY) | np.isin(np.arange(len(times)) % 5, (0, 2))])
    return "fewer readings yesterday than usual: push: 5"


def damaged(site: Site) -> str:
    """One bit of the served bundle."""
    site.told(site.times())
    path = site.bundle / "arrays.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    return f"{site.bundle.name[:12]}: bundle "


def grown(site: Site) -> str:
    """Two megabytes, where one is the limit."""
    site.told(site.times())
    (site.home.data_dir / "mlflow" / "artifacts" / "large").write_bytes(bytes(2_000_000))
    return "0.00 GB in the last 30 days"


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (no_training, "no training"),
        (under_its_floor, "a metric under its floor"),
        (gap, "a silent source"),
        (half_the_readings, "half of a source's readings"),
        (damaged, "a damaged model"),
        (grown, "artifacts that grow"),
    ],
)
def test_a_planted_fault_is_found(site: Site, plant: Callable[[Site], str], name: str) -> None:
    expected = plant(site)
    finding = assert_told(site.look(), name)
    assert finding.found.startswith(expected), finding.found
