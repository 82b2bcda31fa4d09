"""What a bundle says of itself and what is wrong with where it is: each cause is refused by its own name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.anomaly import Anomaly
from agents.parts import Context
from bus.memory import MemoryBus
from contracts.events import ModelRefused, ModelServed
from contracts.sections import ModelsSettings
from models.bundle import Bundle
from models.cache import BundleCache
from models.environment import Environment
from models.files import ARRAYS, DIGESTS, MANIFEST, bundle_digest, canonical, listing
from tests.unit.anomaly.bundles import anomaly, made
from tests.unit.runtime.counting import Hands, home, of_type
from tests.unit.serving.fitted import fitted
from tests.unit.serving.test_desired import promoted
from tests.unit.serving.test_watcher import deploy, in_force, watched

Tree = dict[str, Any]


def _later(tree: Tree) -> None:
    tree["schema_version"] = 99


def _more(tree: Tree) -> None:
    tree["features"]["count"] += 1


def _renamed(tree: Tree) -> None:
    tree["features"]["names"][0] = "other"


def _reordered(tree: Tree) -> None:
    tree["features"]["names"].reverse()


def _redefined(tree: Tree) -> None:
    tree["feature_set_hash"] = "0" * 32


def _elsewhere(tree: Tree) -> None:
    tree["environment"]["packages"]["numpy"] = "1.0.0"
    tree["environment_hash"] = Environment.model_validate(tree["environment"]).hash


CHANGES: dict[str, tuple[Callable[[Tree], None], str]] = {
    "schema": (_later, "99"),
    "feature count": (_more, "4"),
    "feature names": (_renamed, "other"),
    "feature order": (_reordered, "std_minute"),
    "feature set": (_redefined, "0" * 32),
    "environment": (_elsewhere, "numpy was 1.0.0"),
}


def altered(folder: Path, bundle: Bundle, change: Callable[[Tree], None]) -> str:
    """A bundle that is whole, and says something else in its manifest; returns its digest."""
    tree = json.loads(bundle.files[MANIFEST])
    change(tree)
    files = {ARRAYS: bundle.files[ARRAYS], MANIFEST: canonical(tree)}
    files[DIGESTS] = listing(files)
    BundleCache(folder).put_files(files)
    return bundle_digest(files)


@pytest.mark.parametrize("kind", CHANGES)
async def test_what_a_manifest_says_is_refused_by_its_own_name(tmp_path: Path, kind: str) -> None:
    surroundings, part = home(MemoryBus(1)), anomaly(tmp_path, model="pump@prod")
    change, says = CHANGES[kind]
    digest = altered(tmp_path, fitted(tmp_path), change)
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, promoted(digest))
        await watcher.look()
    (refused,) = await of_type(surroundings.bus, ModelRefused)
    assert (refused.kind, refused.bundle) == (kind, digest)
    assert says in refused.reason
    assert await of_type(surroundings.bus, ModelServed) == []


async def test_a_store_that_is_down_is_not_a_model_that_is_missing(tmp_path: Path) -> None:
    hands = Hands()
    surroundings, store = home(MemoryBus(1), clock=hands.clock), tmp_path / "share"
    part = Anomaly(model="pump@prod")
    part.prepare(Context("anomaly", tmp_path / "own", models=ModelsSettings(store=str(store))))
    mad = made(tmp_path / "elsewhere", "mad")
    async with watched(surroundings, part) as watcher:
        await deploy(surroundings, promoted(mad.digest))
        await watcher.look()
        assert [event.kind for event in await of_type(surroundings.bus, ModelRefused)] == ["store down"]
        made(store, "ewma")
        hands.now_s += 10
        await watcher.look()
        assert [event.kind for event in await of_type(surroundings.bus, ModelRefused)] == ["store down", "not found"]
        made(store, "mad")
        hands.now_s += 10
        await in_force(watcher, part, mad.digest)
    assert BundleCache(tmp_path / "own").files(mad.digest), "it is here from now on"
