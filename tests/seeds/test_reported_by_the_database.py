"""An A/B test reports for each alert the version that the database says its asset should get, while the process still
serves what it loaded before. The numbers look fine, and compare a model with itself.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.anomaly import episodes
from agents.serving.slots import decides
from bus.memory import MemoryBus
from bus.protocol import Commit
from contracts.events import AnomalyDetected, Candidate, ModelServed, ReadingsAccepted
from contracts.frames import encode
from models.files import ARRAYS
from tests.unit.anomaly.bundles import anomaly, made, readings
from tests.unit.runtime.counting import caught_up, home, of_type
from tests.unit.serving.test_desired import rollout
from tests.unit.serving.test_watcher import INPUT, deploy, watched

#: What each bundle takes for an alarm: values over it.
CHAMPION, CANDIDATE = 30.0, 38.0
Stamp = Callable[[str, str], str]


async def check(folder: Path, monkeypatch: pytest.MonkeyPatch, stamp: Stamp | None = None) -> None:
    """Half of the assets are to get a candidate, which cannot be loaded here: nothing may be reported as its own."""
    bus = MemoryBus(1)
    part = anomaly(folder, detector="limits", parameters={"high": CHAMPION})
    bad = made(folder, "limits", high=CANDIDATE)
    (folder / "bundles" / bad.digest / ARRAYS).unlink()
    candidate = Candidate(bundle=bad.digest, mode="ab", share=50.0, rollout="r1")
    if stamp is not None:
        _mutate(monkeypatch, stamp)
    surroundings = home(bus)
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, rollout("running", candidate))
        await watcher.look()
        frames = [(INPUT, frame) for frame in encode([ReadingsAccepted(readings(3_000, series=40))], "validation")]
        await bus.commit(Commit(0, "validation", 1, "", "1", frames))
        await caught_up(bus, f"anomaly<{INPUT}", INPUT)
    assert await of_type(bus, ModelServed) == []
    limits = {part.bundle: CHAMPION, bad.digest: CANDIDATE}
    found = await of_type(bus, AnomalyDetected)
    wrong = [event for event in found if limits[event.bundle] != CHAMPION or event.value <= limits[event.bundle]]
    assert found
    assert wrong == [], "reported for a bundle that was never loaded"


def _mutate(monkeypatch: pytest.MonkeyPatch, stamp: Stamp) -> None:
    common = episodes.Telling._common

    def stamped(self: episodes.Telling, scored: Any, at: int) -> dict[str, Any]:
        found = common(self, scored, at)
        return {**found, "bundle": stamp(found["asset"], found["bundle"])}

    monkeypatch.setattr(episodes.Telling, "_common", stamped)


async def test_findings_name_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await check(tmp_path, monkeypatch)


async def test_the_mutant_names_what_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = made(tmp_path / "elsewhere", "limits", high=CANDIDATE).digest
    with pytest.raises(AssertionError, match="never loaded"):
        await check(tmp_path, monkeypatch, lambda asset, loaded: wanted if decides("r1", 50.0, asset) else loaded)
