"""Trainings from a real log into a real MLflow: recorded once, resumed, and the same whenever they are done again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process

from bus.history import History
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.opening import open_bus
from bus.scan import scan
from console.train import Asked
from console.training.asking import ask
from console.training.job import Job
from console.training.settling import settle
from contracts.errors import Unavailable
from contracts.events import ModelTrained, ReadingsAccepted
from contracts.frames import encode
from contracts.identity import home_of, partition_of
from contracts.settings import MlflowSettings, Settings, load
from models.cache import BundleCache
from models.training import Result
from models.training.recording import ARTIFACT, TRAINED_BY, TRAINING
from tests.acceptance.commands import ROOT, processes, wait_for
from tests.conftest import Servers, emptied
from tests.integration.mlflow_stores import local_store
from tests.unit.training.pasts import WINDOWS, past

PLAN = {"series": "pump-*/flow", "features": WINDOWS, "detectors": ["mahalanobis", "isolation_forest"], "alarms": 50}


class Site:
    """A log on a server, a data directory with its own MLflow store, and the command line."""

    def __init__(self, folder: Path, url: str, bus: RedisBus) -> None:
        self.folder, self.url, self.bus = folder, url, bus
        self.config = folder / "tocsin.yaml"
        agents: dict[str, Any] = {"acquisition": {"sources": {"push": {"kind": "http"}}}}
        agents |= {"validation": {}, "anomaly": {}, "coordinator": {}}
        tree = {"bus": {"partitions": 4}, "training": {"plans": {"pumps": PLAN}}, "agents": agents}
        self.config.write_text(json.dumps(tree))

    def command(self, *arguments: str) -> list[str]:
        where = ["--config", str(self.config), "--data-dir", str(self.folder / "d"), "--redis", self.url]
        return [sys.executable, "-m", "console.cli", *arguments, *where]

    @asynccontextmanager
    async def coordinator(self) -> AsyncIterator[Process]:
        """The coordinator as a process of its own; killed at the end, with whatever it started."""
        process = await anyio.open_process(self.command("up", "coordinator"), cwd=ROOT, stderr=None)
        try:
            yield process
        finally:
            process.kill()
            await process.aclose()

    def train(self, *arguments: str) -> Any:
        done = subprocess.run(
            self.command("train", *arguments), capture_output=True, text=True, timeout=100, cwd=ROOT, check=False
        )
        assert done.returncode == 0, f"{done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return json.loads(done.stdout)

    @property
    def settings(self) -> Settings:
        return load(self.config, {"data_dir": self.folder / "d"})[0]

    def job(self) -> Job:
        """The same training in this process."""
        about = dict.fromkeys(("since", "until", "series", "features", "labels"))
        asked = Asked(plan="pumps", detectors=(), publish=True, ask=False, request="", resume=False, **about)
        return Job(self.settings, History(None, self.bus), asked, self.settings.training.plans["pumps"])

    async def told(self) -> list[ModelTrained]:
        place = Place(ModelTrained.stream, home_of(ModelTrained.stream, 4))
        found = [event async for each in scan(self.bus, place) for event in each.events]
        return [event for event in found if isinstance(event, ModelTrained)]

    async def once_told(self, count: int) -> list[ModelTrained]:
        with anyio.fail_after(110):
            while len(told := await self.told()) < count:  # noqa: ASYNC110 - another process is waited for
                await anyio.sleep(0.1)
        return told

    def runs(self, kind: str) -> list[Any]:
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{self.folder}/d/mlflow/mlflow.db")
        found = client.search_runs([item.experiment_id for item in client.search_experiments()], max_results=1000)
        return [run for run in found if run.data.tags["tocsin.kind"] == kind]


@pytest.fixture
async def site(servers: Servers, tmp_path: Path, template: Path) -> AsyncIterator[Site]:
    live = servers.get("valkey")
    await (await emptied(live)).close()
    bus = await open_bus(Settings.model_validate({"bus": {"partitions": 4}}), live.url)
    readings = past(1200)
    for number, series in enumerate(readings.series):
        rows = readings.take((readings.code == number).nonzero()[0])
        place = Place(ReadingsAccepted.stream, partition_of(series.asset, 4))
        for batch in rows.cut(500):
            await bus.append(place, list(encode([ReadingsAccepted(batch)], "validation")))
    (tmp_path / "d").mkdir()
    local_store(tmp_path / "d", template)
    yield Site(tmp_path, live.url, bus)
    await bus.close()


async def test_a_training_is_recorded_published_and_told(site: Site) -> None:
    """Everything is there: run, runs below it, dataset with the digest, params, metrics, comparison, version, event."""
    tree = site.train("pumps", "--json")
    (run,) = site.runs("training")
    assert run.info.status == "FINISHED"
    assert run.info.run_id == tree["run_id"]
    dataset = run.inputs.dataset_inputs[0].dataset
    assert dataset.digest == tree["training"]["digest"] == run.data.params["range_digest"]
    assert json.loads(dataset.source)["partitions"] == tree["training"]["partitions"]
    assert sum(last - first + 1 for first, last in tree["training"]["partitions"].values()) == 3600
    assert run.data.params["code"].startswith(("commit ", "version "))
    assert run.data.params["plan.alarms"] == "50.0"
    assert int(run.data.params["calibrate_from_ns"]) < int(run.data.params["compare_from_ns"])
    assert run.data.metrics["mahalanobis.caught"] == tree["candidates"]["mahalanobis"]["caught"]
    children = site.runs("candidate")
    assert {child.data.params["detector"] for child in children} == {"mahalanobis", "isolation_forest"}
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {run.info.run_id}
    table = json.loads((Path(run.info.artifact_uri.removeprefix("file://")) / ARTIFACT).read_text())
    assert table["candidates"].keys() == tree["candidates"].keys()
    (published,) = site.runs("bundle")
    assert published.data.tags[TRAINED_BY] == run.info.run_id
    (event,) = await site.told()
    assert (event.bundle, event.run_id, event.model_version) == (tree["bundle"], run.info.run_id, "1")
    bundle = BundleCache(site.folder / "d").get(tree["bundle"])
    assert bundle.manifest.training.model_dump(mode="json") == tree["training"]


async def test_with_mlflow_down_nothing_is_lost_and_the_same_bundle_is_published_later(site: Site) -> None:
    result = await site.job().result()
    down = site.settings.model_copy(update={"mlflow": MlflowSettings(uri="http://127.0.0.1:9", timeout_s=2, retries=0)})
    with pytest.raises(Unavailable, match="tocsin train --resume"):
        await anyio.to_thread.run_sync(settle, down, result)
    (kept,) = Result.kept(site.settings.data_dir)
    assert kept == result
    assert await site.job().result() == result, "it is not trained again"
    settled = await anyio.to_thread.run_sync(settle, site.settings, kept)
    assert settled.model_version == "1"
    assert Result.kept(site.settings.data_dir) == []
    assert site.runs("training")[0].data.tags["tocsin.candidate"] == result.best.bundle


async def test_a_training_that_was_killed_is_finished_by_the_next_and_stands_in_mlflow_once(site: Site) -> None:
    """Killed as soon as its run is there; the same training again completes that run, with the same bundle."""
    process = await anyio.open_process(
        site.command("train", "pumps", "--json"), cwd=ROOT, stderr=None, start_new_session=True
    )
    try:
        wait_for(lambda: site.runs("training"), seconds=80)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
    (begun,) = site.runs("training")
    result = await site.job().result()
    settled = await anyio.to_thread.run_sync(settle, site.settings, result)
    (run,) = site.runs("training")
    assert run.info.run_id == begun.info.run_id == settled.run_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["tocsin.candidate"] == begun.data.tags["tocsin.candidate"] == result.best.bundle
    assert len({child.data.tags[TRAINING] for child in site.runs("candidate")}) == len(site.runs("candidate")) == 2


async def test_asking_is_asking_once(site: Site) -> None:
    history = History(None, site.bus)
    first, again = [await ask(site.bus, history, "pumps", None) for _ in range(2)]
    other = await ask(site.bus, history, "pumps", 900 * 10**9)
    assert first == again != other


async def test_the_coordinator_carries_out_a_request(site: Site) -> None:
    request = await ask(site.bus, History(None, site.bus), "pumps", None)
    async with site.coordinator():
        told = await site.once_told(1)
    assert [event.request for event in told] == [request]
    result = await site.job().result()
    assert told[0].bundle == result.best.bundle, "the same as by hand"
    assert site.runs("training")[0].info.run_id == told[0].run_id


@pytest.mark.soak
async def test_a_request_is_carried_out_once_whenever_the_coordinator_is_killed(site: Site) -> None:
    """Killed 10 times at times that go through its start and the training; its child dies with it."""
    request = await ask(site.bus, History(None, site.bus), "pumps", None)
    for number in range(10):
        async with site.coordinator():
            await anyio.sleep(2.0 + 1.5 * number)
        wait_for(lambda: not [line for line in processes(site.folder / "d").values() if "train pumps" in line])
    async with site.coordinator():
        told = await site.once_told(1)
    assert {event.request for event in told} == {request}
    assert len({event.bundle for event in told}) == 1
    assert len(site.runs("training")) == 1
    assert len(site.runs("candidate")) == 2
