"""Models and rollouts over a real socket, from the log and the bundles alone."""

from pathlib import Path
from typing import Any

from contracts.events import (
    AlertLabelled,
    DriftDetected,
    Evidence,
    ModelLoaded,
    ModelMeasured,
    ModelPromoted,
    ModelPublished,
    ModelRefused,
    ModelTrained,
    RolloutChanged,
    TrainingFailed,
    TrainingRequested,
)
from contracts.instants import SECOND
from models.bundle import builtin
from models.cache import BundleCache
from tests.conftest import Servers
from tests.integration.inside.here import HOSTILE, MODEL, inside
from tests.unit.runtime.counting import of_type


def published(version: str, bundle: str, time: int) -> ModelPublished:
    about = {"name": MODEL, "model_version": version, "bundle": bundle, "run_id": f"run{version}"}
    return ModelPublished.of(cause=version, time=time * SECOND, asset="coordinator", **about)


def promoted(version: str, bundle: str, time: int) -> ModelPromoted:
    about = {"name": MODEL, "alias": "production", "model_version": version, "bundle": bundle, "by": "ann"}
    return ModelPromoted.of(cause=version, time=time * SECOND, asset="coordinator", discriminator=str(time), **about)


def drifted(bundle: str) -> DriftDetected:
    made = {"detector": "d", "bundle": bundle, "feature_set": "f", "environment": "e"}
    size: dict[str, Any] = {
        "effect": 1.0,
        "effect_low": 0.5,
        "effect_high": 2.0,
        "unit": "sd",
        "since": 1,
        "evidence_value": 2.0,
    }
    return DriftDetected.of(
        cause="r", time=5 * SECOND, asset="pump-1", channel="temperature", kind="mean", direction="up", reference="q",
        evidence=Evidence(stream="readings.accepted", first=1, last=2), **made, **size,
    )  # fmt: skip


async def test_versions_are_told_with_everything_that_the_log_and_the_bundle_say(
    servers: Servers, tmp_path: Path
) -> None:
    """Nobody asks MLflow: there is none."""
    one, two, gone = builtin("ewma", {"warmup": 40}), builtin("ewma", {"warmup": 41}), "ab" * 32
    cache = BundleCache(tmp_path)
    cache.put(one)
    cache.put(two)
    async with inside(servers, tmp_path) as here:
        label = {"bundle": one.digest, "verdict": "true alarm", "by": "ann"}
        refused = {"reason": f"feature set {HOSTILE}", "kind": "digest"}
        trained: dict[str, Any] = {
            "seconds": 3.5,
            "plan": "pumps",
            "bundle": one.digest,
            "name": MODEL,
            "model_version": "1",
            "run_id": "run1",
        }
        about = {"agent": "anomaly", "bundle": two.digest}
        counted: dict[str, Any] = {"role": "champion", "since": 1, "readings": 1000, "alerts": 3, "scores": (1000,)}
        await here.put(
            published("1", one.digest, 1), published("2", two.digest, 2), published("10", gone, 3),
            promoted("1", one.digest, 4), promoted("2", two.digest, 6),
            AlertLabelled.of(cause="a", time=1, asset="pump-1", alert="a", **label),
            AlertLabelled.of(cause="b", time=2, asset="pump-1", alert="b", **label | {"verdict": "false alarm"}),
            ModelTrained.of(cause="t", time=9, asset="train", metrics={"f1": 0.5, "x": float("inf")}, **trained),
            ModelRefused.of(cause="r", time=7 * SECOND, asset="anomaly", **refused, **about),
            drifted(one.digest),
        )  # fmt: skip
        for number in (1, 3):
            await here.put(
                ModelMeasured.of(cause=str(number), time=8, asset="anomaly", **about, **counted), partition=number
            )
        model = await here.get(f"/models/{MODEL}/versions")
        assert [row["version"] for row in model["rows"]] == ["10", "2", "1"], "by number, the latest first"
        ten, second, first = model["rows"]
        assert ten["problem"], "its bundle is not here"
        assert (second["aliases"], first["aliases"]) == (["production"], [])
        assert (first["true_alarms"], first["false_alarms"], first["precision"]) == (1, 1, 0.5)
        assert (first["plan"], first["metrics"], first["run_id"]) == ("pumps", {"f1": 0.5}, "run1")
        assert (first["drifts"], first["drifted"][0]["series"]) == (1, "pump-1/temperature")
        assert (second["detector"], second["signed_by"], second["problem"]) == ("ewma", "", "")
        assert second["refused"][0]["kind"] == "digest"
        assert [(move["version"], move["by"]) for move in model["moves"]] == [("2", "ann"), ("1", "ann")]
        now = await here.get("/models")
        (serving,) = now["serving"]
        assert (serving["agent"], serving["bundle"], serving["version"]) == ("anomaly", two.digest, "2")
        assert serving["refused"].startswith("feature set"), "refused since, and not loaded"
        assert [(each["bundle"], each["partitions"]) for each in serving["measured"]] == [(two.digest, [1, 3])]
        for page in (await here.page("/models"), await here.page(f"/models/{MODEL}")):
            assert HOSTILE not in page
            assert "&lt;img src=x" in page


async def test_a_bundle_that_was_loaded_since_is_refused_no_more(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        digest = "cd" * 32
        refused = {"agent": "anomaly", "bundle": digest, "reason": "gone", "kind": "store down"}
        await here.put(
            published("1", digest, 1), promoted("1", digest, 2),
            ModelRefused.of(cause="r", time=3 * SECOND, asset="anomaly", **refused),
        )  # fmt: skip
        assert (await here.get("/models"))["serving"][0]["refused"] == "gone"
        loaded = {"agent": "anomaly", "bundle": digest}
        await here.put(ModelLoaded.of(cause="l", time=4 * SECOND, asset="anomaly", **loaded))
        (serving,) = (await here.get("/models"))["serving"]
        assert (serving["refused"], serving["loaded"]) == ("", "1970-01-01T00:00:04Z")


async def test_trainings_that_wait_that_failed_and_that_are_done(servers: Servers, tmp_path: Path) -> None:
    async with inside(servers, tmp_path) as here:
        asked = [
            TrainingRequested.of(cause=str(n), time=n, asset="train", plan="p", reason="asked", by="ann")
            for n in (1, 2)
        ]
        failed = TrainingFailed.of(
            cause="f", time=3, asset="train", plan="p", request=asked[0].id, seconds=2.0, error=HOSTILE
        )  # fmt: skip
        await here.put(*asked, failed)
        rows = (await here.get("/models"))["trainings"]
        assert [(row["state"], row["by"]) for row in rows] == [("failed", "ann"), ("waiting", "ann")]
        assert HOSTILE not in await here.page("/models")


async def test_a_rollout_begins_once_is_shown_and_ends(servers: Servers, tmp_path: Path) -> None:
    """By the same code as the command line."""
    bundle = builtin("ewma", {"warmup": 42})
    BundleCache(tmp_path).put(bundle)
    async with inside(servers, tmp_path) as here:
        await here.put(published("1", bundle.digest, 1))
        wanted = {
            "agent": "anomaly",
            "model": f"{MODEL}/1",
            "mode": "canary",
            "guard": {"alert_ratio": 2.0},
            "by": "ann",
        }
        await here.send("/rollouts", wanted, status=201)
        again = await here.send("/rollouts", wanted, status=409)
        assert "runs on anomaly already" in again["error"]
        (row,) = (await here.get("/rollouts"))["rollouts"]
        assert (row["state"], row["mode"], row["share"], row["by"]) == ("running", "canary", 10.0, "ann")
        assert row["guard"]["alert_ratio"] == 2.0
        (serving,) = (await here.get("/models"))["serving"]
        assert (serving["candidate"], serving["mode"]) == (bundle.digest, "canary")
        assert "Let it take over" in await here.page("/models")
        await here.send("/rollouts/anomaly/abort", {"note": "enough"})
        assert [event.state for event in await of_type(here.bus, RolloutChanged)] == ["running", "aborted"]
        await here.send("/rollouts/anomaly/promote", status=404)
        await here.send("/rollouts", wanted | {"agent": "validation"}, status=409)
        await here.send("/rollouts", wanted | {"model": "nothing"}, status=404)
        await here.send("/rollouts", wanted | {"model": "ab" * 32}, status=404)
        await here.send("/rollouts", wanted | {"share": 101}, status=422)


async def test_aliases_are_moved_by_the_command_line_alone(servers: Servers, tmp_path: Path) -> None:
    """Where there is none it says so; a model that nobody published is not looked for in MLflow."""
    async with inside(servers, tmp_path) as here:
        await here.put(published("1", "ab" * 32, 1))
        await here.send(f"/models/{MODEL}/promote", {"version": "1"}, status=409)
        await here.send("/models/other/promote", {"version": "1"}, status=404)
        await here.send(f"/models/{MODEL}/promote", {"version": "1", "alias": "--x"}, status=422)
        await here.send(f"/models/{MODEL}/promote", {"version": "one"}, status=422)
        await here.get("/models/other/versions", status=404)
        assert (await here.client.get("/models/other")).status_code == 404
