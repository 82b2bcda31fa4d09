"""What is wanted comes into force, or a cause is told; nothing else happens."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.anomaly import Anomaly
from agents.runtime.home import Home
from agents.runtime.lanes.processing import ProcessorRunner
from agents.serving.library import _OPEN
from agents.serving.watcher import Servable, Watcher
from agents.supervisor import Supervisor
from agents.topology import Placed, Topology
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.events import (
    Candidate,
    Event,
    ModelLoaded,
    ModelRefused,
    ModelServed,
    ReadingsAccepted,
)
from contracts.frames import encode
from models.bundle import Bundle
from tests.unit.anomaly.bundles import anomaly, made
from tests.unit.runtime.counting import Hands, Passing, home, of_type
from tests.unit.serving.test_desired import promoted, rollout

INPUT = ReadingsAccepted.stream


@asynccontextmanager
async def watched(surroundings: Home, part: Anomaly) -> AsyncIterator[Watcher]:
    """A watcher over a runner that owns all partitions; the test looks by hand."""
    runner = ProcessorRunner(surroundings, "anomaly", part, INPUT)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        await until(lambda: len(runner.lanes) == surroundings.bus.partitions)
        await until(lambda: all(lane.opened for lane in runner.lanes.values()))
        try:
            yield Watcher(surroundings, "anomaly", part, runner.lanes)
        finally:
            surroundings.stop.set()


async def until(condition: Any) -> None:
    with anyio.fail_after(40):
        while not condition():  # noqa: ASYNC110 - what is waited for is a plain value
            await anyio.sleep(0.005)


async def deploy(surroundings: Home, *events: Event) -> None:
    for event in events:
        place = Place(event.stream, surroundings.home_partition(event.stream))
        await surroundings.bus.append(place, list(encode([event], "registry")))


async def in_force(watcher: Watcher, part: Anomaly, bundle: str) -> None:
    """Look until a bundle is in force everywhere."""
    await watcher.look()
    await until(lambda: all(part.in_force(lane.state).bundle == bundle for lane in watcher.lanes.values()))


async def test_what_is_promoted_is_loaded_told_and_served_once(tmp_path: Path) -> None:
    surroundings, part = home(MemoryBus(3)), anomaly(tmp_path, model="pump@prod")
    mad = made(tmp_path, "mad").digest
    async with watched(surroundings, part) as watcher:
        await watcher.look()
        assert await of_type(surroundings.bus, ModelServed) == []
        await deploy(surroundings, promoted(mad))
        for _ in range(3):
            await watcher.look()
        await in_force(watcher, part, mad)
    own, loaded = await of_type(surroundings.bus, ModelLoaded)
    assert (own.bundle, own.previous, own.agent) == (part.bundle, "", "anomaly")
    assert (loaded.bundle, loaded.previous, loaded.agent) == (mad, part.bundle, "anomaly")
    assert min(own.golden_ms, loaded.golden_ms) > 0
    served = await of_type(surroundings.bus, ModelServed)
    assert [(event.agent, event.bundle, event.candidate) for event in served] == [("anomaly", mad, None)] * 3
    assert await of_type(surroundings.bus, ModelRefused) == []


async def test_a_rollout_comes_and_goes_and_a_promotion_is_no_second_load(tmp_path: Path) -> None:
    surroundings, part = home(MemoryBus(1)), anomaly(tmp_path)
    candidate = Candidate(bundle=made(tmp_path, "mad").digest, mode="canary", share=20.0, rollout="r1")
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, rollout("running", candidate))
        await watcher.look()
        await until(lambda: part.in_force(watcher.lanes[0].state).candidate == candidate)
        await deploy(surroundings, rollout("promoted", candidate))
        await in_force(watcher, part, candidate.bundle)
        assert part.in_force(watcher.lanes[0].state).candidate is None
    assert [event.bundle for event in await of_type(surroundings.bus, ModelLoaded)] == [part.bundle, candidate.bundle]
    assert len(await of_type(surroundings.bus, ModelServed)) == 2


async def test_another_owner_that_wrote_something_stale_is_corrected(tmp_path: Path) -> None:
    surroundings, part = home(MemoryBus(1)), anomaly(tmp_path, model="pump@prod")
    mad, ewma = made(tmp_path, "mad").digest, made(tmp_path, "ewma").digest
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, promoted(mad))
        await in_force(watcher, part, mad)
        stale = ModelServed.of(cause="two", time=1, asset="anomaly", agent="anomaly", bundle=ewma)
        await surroundings.bus.append(Place(INPUT, 0), list(encode([stale], "anomaly")))
        await until(lambda: part.in_force(watcher.lanes[0].state).bundle == ewma)
        await in_force(watcher, part, mad)


async def test_who_is_pinned_is_left_alone(tmp_path: Path) -> None:
    surroundings, part = home(MemoryBus(1)), anomaly(tmp_path, model="pump@prod", pinned=True)
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, promoted(made(tmp_path, "mad").digest))
        await watcher.look()
    assert await of_type(surroundings.bus, ModelServed) == []


def spoilt(folder: Path, bundle: Bundle, how: str) -> None:
    """Do a bundle on disk some harm."""
    path = folder / "bundles" / bundle.digest
    if how == "missing file":
        (path / "arrays.safetensors").unlink()
    elif how == "digest":
        data = bytearray((path / "arrays.safetensors").read_bytes())
        data[-1] ^= 1
        (path / "arrays.safetensors").write_bytes(data)
    elif how == "not found":
        shutil.rmtree(path)


@pytest.mark.parametrize("kind", ["missing file", "digest", "not found"])
async def test_a_refusal_says_its_own_cause_once_and_the_last_good_one_stays(tmp_path: Path, kind: str) -> None:
    hands = Hands()
    surroundings = home(MemoryBus(2), clock=hands.clock)
    part, mad = anomaly(tmp_path, model="pump@prod"), made(tmp_path, "mad")
    spoilt(tmp_path, mad, kind)
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, promoted(mad.digest))
        for _ in range(4):
            await watcher.look()
            hands.now_s += 10
        (refused,) = await of_type(surroundings.bus, ModelRefused)
        assert (refused.kind, refused.bundle, refused.agent) == (kind, mad.digest, "anomaly")
        assert refused.reason
        assert await of_type(surroundings.bus, ModelServed) == []
        assert part.in_force(watcher.lanes[0].state).bundle == part.bundle
        shutil.rmtree(tmp_path / "bundles" / mad.digest, ignore_errors=True)
        made(tmp_path, "mad")
        await in_force(watcher, part, mad.digest)
    assert len(await of_type(surroundings.bus, ModelRefused)) == 1


async def test_a_candidate_that_is_refused_does_not_hold_up_a_champion(tmp_path: Path) -> None:
    surroundings, part = home(MemoryBus(1)), anomaly(tmp_path, model="pump@prod")
    mad = made(tmp_path, "mad").digest
    bad = Candidate(bundle=made(tmp_path, "levels").digest, mode="shadow", rollout="r1")
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, promoted(mad), rollout("running", bad))
        await in_force(watcher, part, mad)
        await watcher.look()
        assert part.in_force(watcher.lanes[0].state).candidate is None
    (refused,) = await of_type(surroundings.bus, ModelRefused)
    assert (refused.bundle, refused.kind) == (bad.bundle, "detector")
    assert "judges assets" in refused.reason
    assert len(await of_type(surroundings.bus, ModelServed)) == 1


async def test_an_alias_that_nobody_promoted_to_is_told_of_after_a_while(tmp_path: Path) -> None:
    hands = Hands()
    surroundings, part = home(MemoryBus(1), clock=hands.clock), anomaly(tmp_path, model="pump@prod")
    async with watched(surroundings, part) as watcher, anyio.create_task_group() as group:
        group.start_soon(watcher.run)
        await anyio.sleep(0.05)
        assert await of_type(surroundings.bus, ModelRefused) == []
        hands.now_s += 100
        with anyio.fail_after(40):
            while not (found := await of_type(surroundings.bus, ModelRefused)):  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.02)
        surroundings.stop.set()
    (refused,) = found
    assert refused.kind == "unknown version"
    assert "pump" in refused.reason
    assert "prod" in refused.reason


def test_the_agent_can_be_served(tmp_path: Path) -> None:
    assert isinstance(anomaly(tmp_path), Servable)


def test_what_is_in_memory_is_bounded(tmp_path: Path) -> None:
    part = anomaly(tmp_path)
    for number in range(20):
        part.ready(made(tmp_path, "limits", high=float(number)).digest)
    assert len(part._scorers._kept) <= 16
    assert len(_OPEN._kept) <= 16
    assert part.scorer_of(part.bundle).digest == part.bundle


@pytest.mark.parametrize("live", [True, False])
async def test_a_live_service_looks_after_models_and_a_batch_run_does_not(tmp_path: Path, live: bool) -> None:
    parts = [Placed("validation", "validation", Passing()), Placed("anomaly", "anomaly", anomaly(tmp_path))]
    surroundings = home(MemoryBus(1))
    supervisor = Supervisor(surroundings, Topology(parts), parts, live)
    assert ("models of anomaly" in supervisor.runners()) is live
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run)
        with anyio.fail_after(20):
            while not await of_type(surroundings.bus, ModelLoaded):  # noqa: ASYNC110 - it is in the log
                await anyio.sleep(0.02)
        surroundings.stop.set()
    (loaded,) = await of_type(surroundings.bus, ModelLoaded)
    assert loaded.bundle == parts[1].part.bundle
    assert (loaded.golden_ms > 0) is live
