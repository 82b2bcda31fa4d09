"""A past in which models changed comes out again as it was, from wherever it is begun."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from agents.anomaly import Anomaly
from agents.replay.rerun import Rerun
from agents.runtime.lanes.lane import Lane
from agents.topology import Placed, Topology
from bus.history import History
from bus.protocol import Place
from bus.scan import FACTS
from contracts.errors import Unavailable
from contracts.events import AnomalyDetected, Candidate, ModelServed, ReadingsAccepted
from contracts.frames import encode
from models.cache import BundleCache
from tests.unit.anomaly.bundles import anomaly, made, served
from tests.unit.replay.past import PARTITIONS, Past, at
from tests.unit.runtime.counting import INPUT, Passing, Shelf, of_type, plant, story


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.replay.planning.AFTER_NS", at(20))
    monkeypatch.setattr("bus.window._PAGE", 4)
    monkeypatch.setattr("agents.serving.slots.EVERY", 60)


def topology(part: Anomaly) -> Topology:
    return Topology(
        [Placed("shelf", "shelf", Shelf()), Placed("pass", "pass", Passing()), Placed("anomaly", "anomaly", part)]
    )


@dataclass
class Deployed(Past):
    """A past with six swaps and rollouts, one behind each seventh of the readings."""

    wanted: list[ModelServed] = field(default_factory=list)

    async def _step(self, lane: Lane) -> bool:
        moved = await super()._step(lane)
        passed = sum(each.position for each in self.lanes if each.task.startswith("pass"))
        if self.wanted and passed > self.count * (7 - len(self.wanted)) / 7:
            event = self.wanted.pop(0)
            for number in range(PARTITIONS):
                await self.bus.append(Place(ReadingsAccepted.stream, number), list(encode([event], "anomaly")))
        return moved


async def deployed(folder: Path, seed: int = 1) -> tuple[Deployed, Anomaly]:
    """A past through the bundles of two limits, with a shadow, a canary and its promotion."""
    part = anomaly(folder, detector="limits", parameters={"high": 9.0}, scores=True, clear_after=3)
    low, mid = (made(folder, "limits", high=high).digest for high in (2.0, 6.0))
    changes = [
        (low, None),
        (low, Candidate(bundle=mid, mode="shadow", rollout="r")),
        (low, Candidate(bundle=mid, mode="canary", share=50.0, rollout="r")),
        (mid, None),
        (part.bundle, Candidate(bundle=low, mode="ab", share=30.0, rollout="s")),
        (low, None),
    ]
    events = [served(bundle, candidate, number) for number, (bundle, candidate) in enumerate(changes)]
    past = Deployed(Random(seed), folder / "archive", topology=topology(part), count=500, wanted=events)
    await past.live()
    assert not past.wanted
    return past, part


@pytest.mark.parametrize("seed", range(2))
async def test_swaps_and_rollouts_are_replayed_from_any_state(seed: int, tmp_path: Path) -> None:
    past, _ = await deployed(tmp_path, seed)
    stories = await story(past.bus, "anomalies", "shadow", "measures")
    assert {text.partition(" ")[2].partition(" ")[0] for text in stories} == {
        *("AnomalyDetected", "AnomalyCleared", "ShadowFound", "ModelMeasured")
    }
    assert len({event.bundle for event in await of_type(past.bus, AnomalyDetected)}) == 3
    begun: list[int] = []
    for agents in ((), ("anomaly",)):
        for since in (0, 150, 420):
            comparison, positions = await past.compared(past.planner(at(since), at(since + 90), agents=agents))
            assert comparison.differences() == []
            assert comparison.counts[0] == comparison.counts[1] > 0
            assert comparison.shuffled == 0
            begun += positions
    assert any(begun)


async def test_a_change_right_behind_the_time_asked_for_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends what was counted until then, whatever time it has itself."""
    monkeypatch.setattr("bus.window._PAGE", 1)
    monkeypatch.setattr("agents.replay.planning._PAGE", 2)
    part = anomaly(tmp_path, detector="limits", parameters={"high": 9.0})
    past = await Past(Random(1), tmp_path / "archive", topology=topology(part), count=60, poison=()).live()
    for number in range(PARTITIONS):
        place = Place(ReadingsAccepted.stream, number)
        end = (await past.bus.ends([place]))[place]
        for each in range(5):
            await past.bus.append(place, list(encode([served(part.bundle, None, each)], "anomaly")))
        later = ReadingsAccepted(replace(plant(10), time=at(900) + np.arange(10)))
        await past.bus.append(place, list(encode([later], "pass")))
        planner = past.planner(at(40), at(60), agents=("anomaly",), history=History(None, past.bus), saved=None)
        passage = await planner.passage(number)
        if end:
            assert passage is not None
            assert passage.inputs[place.stream] == (0, end + 5)


async def test_a_feed_from_the_beginning_gives_the_same(tmp_path: Path) -> None:
    past, part = await deployed(tmp_path)
    rerun = Rerun(topology(part), PARTITIONS)
    for number in range(PARTITIONS):
        end = (await past.bus.ends([Place(INPUT, number)]))[Place(INPUT, number)]
        await rerun.feed(past.bus, number, end, lambda count: None)
    streams = [stream for stream in FACTS if stream != INPUT]
    assert await story(rerun.bus, *streams) == await story(past.bus, *streams)


async def test_another_model_is_served_instead_where_that_is_asked_for(tmp_path: Path) -> None:
    past, _ = await deployed(tmp_path)
    other = anomaly(tmp_path, pinned=True, bundle_digest=made(tmp_path, "limits", high=9.5).digest, clear_after=3)
    for since in (0, 300):
        comparison, _ = await past.compared(past.planner(at(since), at(since + 100), topology=topology(other)))
        again: list[Any] = [each.row for each in comparison.differences() if each.word != "missing"]
        found = {row["bundle"] for row in again if row["stream"] == "anomalies"}
        assert found == {other.bundle}


async def test_without_the_bundle_of_then_nothing_is_replayed(tmp_path: Path) -> None:
    past, _ = await deployed(tmp_path)
    elsewhere = anomaly(tmp_path / "elsewhere", detector="limits", parameters={"high": 9.0}, clear_after=3)
    with pytest.raises(Unavailable, match="is in force in the log and cannot be loaded here"):
        await past.compared(past.planner(at(0), at(90), topology=topology(elsewhere)))
    for digest in BundleCache(tmp_path).list():
        BundleCache(tmp_path / "elsewhere").put_files(BundleCache(tmp_path).files(digest))
    comparison, _ = await past.compared(past.planner(at(0), at(90), topology=topology(elsewhere), agents=("anomaly",)))
    assert comparison.counts[1] > 0
