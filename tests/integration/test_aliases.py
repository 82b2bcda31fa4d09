"""The chore that follows aliases, with real MLflow stores: told once, verified before, and not lost with a process."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.coordinator.aliases import Aliases
from agents.parts import Context, Log
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.errors import Unavailable
from contracts.events import Event, ModelPromoted, ModelRefused
from contracts.frames import encode
from contracts.identity import home_of
from contracts.settings import MlflowSettings, ModelsSettings
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from models.registry import Registry
from models.tracking import connect
from tests.integration.mlflow_stores import local_store

NAME = "tocsin-detector-ewma"


class Fleet:
    """A registry, a log, and chores that come and go on machines of their own."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder, self.bus, self.machines = folder, MemoryBus(2), 0
        self.registry = Registry(connect(local_store(folder, template)), BundleCache(folder / "trainer"), "tocsin")
        self.settings = ModelsSettings()
        self.uri = f"sqlite:///{folder}/mlflow/mlflow.db"

    def chore(self) -> Aliases:
        """One in a new process on a new machine."""
        self.machines += 1
        made = Aliases(mlflow=MlflowSettings(uri=self.uri))
        made.prepare(Context("coordinator", self.data_dir, models=self.settings))
        return made

    @property
    def data_dir(self) -> Path:
        return self.folder / f"machine-{self.machines}"

    async def look(self, chore: Aliases, *, kept: bool = True) -> Sequence[Event]:
        """One look; what it tells is in the log afterwards, unless its process died before."""
        events = await chore.tend(Log(self.bus, [{}, {}], 1_000))
        for event in events if kept else ():
            place = Place(event.stream, home_of(event.stream, self.bus.partitions))
            await self.bus.append(place, list(encode([event], "coordinator.aliases")))
        return events

    def published(self, number: int) -> Bundle:
        bundle = builtin("ewma", {"warmup": 30 + number}, name="ewma")
        self.registry.cache.put(bundle)
        self.registry.publish(bundle.digest, NAME, by="ann")
        return bundle


@pytest.fixture
def fleet(tmp_path: Path, template: Path) -> Fleet:
    return Fleet(tmp_path, template)


async def test_what_an_alias_means_is_told_once_and_is_in_the_cache_by_then(fleet: Fleet) -> None:
    chore = fleet.chore()
    assert await fleet.look(chore) == []
    first = fleet.published(1)
    (told,) = await fleet.look(chore)
    assert isinstance(told, ModelPromoted)
    assert (told.name, told.alias, told.model_version, told.bundle, told.by) == (
        NAME, "production", "1", first.digest, "ann",
    )  # fmt: skip
    assert BundleCache(fleet.data_dir).get(first.digest).digest == first.digest
    assert await fleet.look(chore) == []
    second = fleet.published(2)
    assert [getattr(event, "bundle", "") for event in await fleet.look(chore)] == [second.digest]
    # Another process on another machine: it reads what was told.
    assert await fleet.look(fleet.chore()) == []


async def test_what_was_not_written_before_a_crash_is_told_again(fleet: Fleet) -> None:
    fleet.published(1)
    (lost,) = await fleet.look(fleet.chore(), kept=False)
    assert await fleet.look(fleet.chore()) == [lost]


async def test_a_version_that_must_not_serve_is_refused_once_for_each_cause(fleet: Fleet) -> None:
    fleet.published(1)
    client, chore = fleet.registry.tracking.client, fleet.chore()
    digest = client.get_model_version(NAME, "1").tags["verified"]
    client.delete_model_version_tag(NAME, "1", "verified")
    (refused,) = await fleet.look(chore)
    assert isinstance(refused, ModelRefused)
    assert (refused.kind, refused.bundle) == ("not verified", digest)
    assert "version 1 was never verified" in refused.reason
    assert await fleet.look(chore) == []
    assert await fleet.look(fleet.chore()) == []
    # Another cause: verified, and damaged in the store.
    client.set_model_version_tag(NAME, "1", "verified", digest)
    path = next(fleet.folder.glob("mlflow/artifacts/**/arrays.safetensors"))
    shutil.copy(path, fleet.folder / "whole")
    path.write_bytes(path.read_bytes()[:-1])
    (damaged,) = await fleet.look(fleet.chore())
    assert isinstance(damaged, ModelRefused)
    assert damaged.kind == "digest"
    assert BundleCache(fleet.data_dir).list() == ()
    # Mended: it is looked at again each time.
    shutil.copy(fleet.folder / "whole", path)
    assert [type(event) for event in await fleet.look(fleet.chore())] == [ModelPromoted]


async def test_an_unsigned_version_is_refused_where_keys_are_trusted(fleet: Fleet) -> None:
    fleet.published(1)
    fleet.settings = ModelsSettings(trusted_keys=("0" * 64,))
    (refused,) = await fleet.look(fleet.chore())
    assert isinstance(refused, ModelRefused)
    assert refused.kind == "signature"


async def test_models_of_others_are_left_alone(fleet: Fleet) -> None:
    client = fleet.registry.tracking.client
    client.create_registered_model("theirs")
    client.create_model_version("theirs", "file:///nowhere")
    client.set_registered_model_alias("theirs", "production", "1")
    assert await fleet.look(fleet.chore()) == []


async def test_without_a_registry_it_waits(fleet: Fleet) -> None:
    fleet.uri = "http://127.0.0.1:9"
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        await fleet.look(fleet.chore())
