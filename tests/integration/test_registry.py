"""The registry with real MLflow stores: nothing unverified is ever published, whatever happens in between."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from contracts.errors import BundleRefused, NotFound, TocsinError, Unavailable
from models.artifacts import fetch
from models.bundle import Bundle, builtin, read
from models.cache import BundleCache
from models.files import ARRAYS, DIGESTS, MANIFEST
from models.registry import Registry, UnknownModel, UnknownVersion
from models.signature import create_key
from models.tracking import Refused, Store, Tracking, connect
from tests.integration import publishing
from tests.integration.mlflow_stores import MlflowServer, local_store

ROOT = Path(__file__).parents[2]
NAME = "tocsin-detector-ewma"


class Killed(BaseException):
    """As sudden as kill -9 is for what is in memory."""


@pytest.fixture(scope="module")
def made() -> Bundle:
    return builtin("ewma")


@pytest.fixture
def tracking(tmp_path: Path, template: Path) -> Tracking:
    return connect(local_store(tmp_path, template))


@pytest.fixture
def cache(tmp_path: Path, made: Bundle) -> BundleCache:
    cache = BundleCache(tmp_path)
    cache.put(made)
    return cache


def fresh(tracking: Tracking, folder: Path) -> Registry:
    """A registry on another machine: the same store, an empty cache."""
    return Registry(tracking, BundleCache(folder / "elsewhere"), "tocsin")


def artifact(tracking: Tracking, name: str) -> Path:
    """Where a local store keeps a file of version 1."""
    uri = tracking.client.get_model_version_download_uri(NAME, "1")
    return Path(urlsplit(uri).path) / name


def dying(step: str) -> Callable[[str], None]:
    def here(name: str) -> None:
        if name == step:
            raise Killed(step)

    return here


def test_publishing_makes_a_verified_version_behind_the_alias(
    tracking: Tracking, cache: BundleCache, made: Bundle, tmp_path: Path
) -> None:
    version = Registry(tracking, cache, "tocsin").publish(made.digest, NAME)
    assert (version.name, version.number, version.bundle) == (NAME, "1", made.digest)
    assert version.verified
    # As somebody sees it who only has MLflow.
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracking.store.uri)
    found = client.get_model_version_by_alias(NAME, "production")
    assert str(found.version) == "1"
    assert found.tags["verified"] == made.digest
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["bundle"] == made.digest
    assert sorted(item.path for item in client.list_artifacts(version.run_id, "bundle")) == [
        f"bundle/{name}" for name in (ARRAYS, DIGESTS, MANIFEST)
    ]
    folder = client.download_artifacts(version.run_id, "bundle", str(tmp_path))
    assert read(Path(folder)).digest == made.digest


def test_publishing_again_gives_the_same_version_and_leaves_a_rollback_alone(
    tracking: Tracking, cache: BundleCache, made: Bundle
) -> None:
    registry = Registry(tracking, cache, "tocsin")
    first = registry.publish(made.digest, NAME)
    other = builtin("ewma", {"warmup": 77})
    cache.put(other)
    assert registry.publish(other.digest, NAME).number == "2"
    assert registry.resolve(NAME, "production").number == "2"
    tracking.client.set_registered_model_alias(NAME, "production", "1")
    assert registry.publish(made.digest, NAME) == first
    assert registry.publish(other.digest, NAME).number == "2"
    assert registry.resolve(NAME, "production").number == "1"
    assert [version.number for version in registry.versions(NAME)] == ["1", "2"]


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_at_any_step_it_goes_on_and_the_alias_is_never_on_what_is_not_verified(
    rounds: int, tmp_path: Path, template: Path
) -> None:
    local_store(tmp_path, template)
    run = [sys.executable, "-m", "tests.integration.publishing", str(tmp_path), str(rounds)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=110 * rounds, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == rounds * len(publishing.STEPS), done.stderr
    # Killed; then sound for others, and finished by the next.
    assert [row for row in rows if row["codes"] != [-signal.SIGKILL, 0]] == [], done.stderr


def test_what_was_uploaded_and_is_sound_is_not_uploaded_again(
    tracking: Tracking, cache: BundleCache, made: Bundle
) -> None:
    with pytest.raises(Killed):
        Registry(tracking, cache, "tocsin", dying("end run")).publish(made.digest, NAME)
    seen: list[str] = []
    Registry(tracking, cache, "tocsin", seen.append).publish(made.digest, NAME)
    assert "upload" not in seen
    assert "verify version" in seen


def test_the_steps_are_the_ones_that_are_tested(tmp_path: Path, template: Path, made: Bundle) -> None:
    local_store(tmp_path, template)
    (tmp_path / "shared").mkdir()
    create_key(tmp_path / "key")
    BundleCache(tmp_path).put(made)
    seen: list[str] = []
    publishing.registry(tmp_path, seen.append).publish(made.digest, NAME)
    assert tuple(seen) == publishing.STEPS


def test_fetching_by_alias_and_number_gives_the_verified_bundle(
    tracking: Tracking, cache: BundleCache, made: Bundle, tmp_path: Path
) -> None:
    Registry(tracking, cache, "tocsin").publish(made.digest, NAME)
    for which in ("production", "1"):
        registry = fresh(tracking, tmp_path / which)
        folder = registry.fetch(NAME, which)
        assert folder == registry.cache.path(made.digest)
        assert read(folder, digest=made.digest).manifest == made.manifest
        assert registry.fetch(NAME, which) == folder


def test_what_is_not_there_is_told_apart(tracking: Tracking, cache: BundleCache, made: Bundle, tmp_path: Path) -> None:
    registry = Registry(tracking, cache, "tocsin")
    with pytest.raises(UnknownModel, match="no model 'nobody'"):
        registry.fetch("nobody")
    registry.publish(made.digest, NAME)
    with pytest.raises(UnknownVersion, match="has no version 7"):
        registry.fetch(NAME, "7")
    with pytest.raises(UnknownVersion, match="has no alias 'canary'; it has: production"):
        registry.fetch(NAME, "canary")
    with pytest.raises(NotFound, match="is not in"):
        registry.publish("0" * 64, NAME)
    with pytest.raises(BundleRefused, match="cannot name a model"):
        registry.publish(made.digest, "x' or name != '")
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be opened"):
        connect(Store.local(tmp_path / "file"))


@pytest.mark.parametrize("name", [MANIFEST, ARRAYS, DIGESTS])
def test_a_byte_flipped_in_the_store_is_refused(
    name: str, tracking: Tracking, cache: BundleCache, made: Bundle, tmp_path: Path
) -> None:
    Registry(tracking, cache, "tocsin").publish(made.digest, NAME)
    path = artifact(tracking, name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    registry = fresh(tracking, tmp_path)
    with pytest.raises(BundleRefused, match=rf"^model '{NAME}' version 1: .*{name}"):
        registry.fetch(NAME)
    assert registry.cache.list() == ()


def test_missing_too_many_and_too_large_files_are_told_apart(
    tracking: Tracking, cache: BundleCache, made: Bundle, tmp_path: Path
) -> None:
    Registry(tracking, cache, "tocsin").publish(made.digest, NAME)
    path = artifact(tracking, ARRAYS)
    data = path.read_bytes()

    def cause() -> str:
        with pytest.raises(BundleRefused) as caught:
            fresh(tracking, tmp_path).fetch(NAME)
        return str(caught.value).removeprefix(f"model {NAME!r} version 1: ")

    path.unlink()
    assert cause().startswith("missing file: arrays.safetensors")
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "the size limit is" in cause()
    path.write_bytes(data)
    (path.parent / "more.bin").write_bytes(b"")
    assert cause().startswith("unexpected file: 'more.bin'")
    (path.parent / "more.bin").rename(path.parent / "%2e%2e")
    assert cause().startswith("unsafe file name '%2e%2e'")
    (path.parent / "%2e%2e").unlink()
    (path.parent / "folder").mkdir()
    assert cause().startswith("unexpected file: 'folder' is a folder")
    path.parent.rename(path.parent.with_name("gone"))
    assert cause().startswith("files missing")


def test_a_version_without_files_is_ready_for_mlflow_and_refused_by_us(
    tracking: Tracking, cache: BundleCache, made: Bundle, tmp_path: Path
) -> None:
    client, experiment = tracking.client, tracking.experiment("tocsin")
    run = client.create_run(experiment)
    client.create_registered_model(NAME)
    tags = {"tocsin.bundle": made.digest}
    version = client.create_model_version(NAME, f"{run.info.artifact_uri}/bundle", run.info.run_id, tags)
    assert version.status == "READY"
    with pytest.raises(BundleRefused, match="version 1 was never verified"):
        fresh(tracking, tmp_path).fetch(NAME, "1")
    client.set_model_version_tag(NAME, "1", "verified", made.digest)
    with pytest.raises(BundleRefused, match="files missing"):
        fresh(tracking, tmp_path).fetch(NAME, "1")


def test_a_half_uploaded_bundle_is_uploaded_again(tracking: Tracking, cache: BundleCache, made: Bundle) -> None:
    registry = Registry(tracking, cache, "tocsin", dying("version"))
    with pytest.raises(Killed):
        registry.publish(made.digest, NAME)
    run = next(tracking.runs(tracking.experiment("tocsin"), ""))
    path = Path(urlsplit(run.info.artifact_uri).path) / "bundle" / ARRAYS
    path.write_bytes(path.read_bytes()[:100])
    assert Registry(tracking, cache, "tocsin").publish(made.digest, NAME).verified
    assert path.read_bytes() == made.files[ARRAYS]


def test_the_first_of_two_versions_counts_for_both_publishers(
    tracking: Tracking, cache: BundleCache, made: Bundle
) -> None:
    def meanwhile(step: str) -> None:
        if step == "version":
            client = tracking.client
            run = next(tracking.runs(tracking.experiment("tocsin"), ""))
            tags = {"tocsin.bundle": made.digest}
            client.create_model_version(NAME, f"{run.info.artifact_uri}/bundle", run.info.run_id, tags)

    version = Registry(tracking, cache, "tocsin", meanwhile).publish(made.digest, NAME)
    assert version.number == "1"
    assert [found.number for found in Registry(tracking, cache, "tocsin").versions(NAME)] == ["1"]


def test_a_moved_data_directory_is_told(tracking: Tracking, tmp_path: Path, template: Path) -> None:
    tracking.experiment("tocsin")
    (tmp_path / "mlflow").rename(tmp_path / "other")
    (tmp_path / "b").mkdir()
    (tmp_path / "other").rename(tmp_path / "b" / "mlflow")
    with pytest.raises(Unavailable, match="cannot be moved"):
        connect(Store.local(tmp_path / "b")).experiment("tocsin")


def test_a_database_that_is_named_gets_its_artifacts_beside_it(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_store(tmp_path, template)
    monkeypatch.chdir(tmp_path)
    tracking = connect(Store.at("sqlite:///mlflow/mlflow.db"))
    monkeypatch.chdir("/")
    run = tracking.client.get_run(tracking.begin_run(tracking.experiment("tocsin"), "x", {}))
    assert run.info.artifact_uri.startswith((tmp_path / "mlflow" / "artifacts").as_uri())
    # An experiment that somebody else keeps elsewhere is used as it is.
    elsewhere = tracking.client.create_experiment("theirs", (tmp_path / "theirs").as_uri())
    assert tracking.experiment("theirs") == elsewhere


def test_a_value_that_is_too_long_is_refused_and_not_cut(tracking: Tracking) -> None:
    run_id = tracking.begin_run(tracking.experiment("tocsin"), "x", {})
    with pytest.raises(Refused, match="6000"):
        tracking.log(run_id, {"bundle": "b" * 6001}, {}, 0)
    assert tracking.client.get_run(run_id).data.params == {}


def test_a_uri_that_mlflow_does_not_know_is_told() -> None:
    tracking = connect(Store.at("carrier-pigeon://coop"))
    with pytest.raises(TocsinError, match="carrier-pigeon"):
        tracking.probe()


def test_a_deleted_experiment_is_told(tracking: Tracking) -> None:
    tracking.client.delete_experiment(tracking.experiment("tocsin"))
    with pytest.raises(Unavailable, match="was deleted"):
        tracking.experiment("tocsin")


def test_the_same_with_a_real_server(mlflow_server: MlflowServer, made: Bundle, tmp_path: Path) -> None:
    tracking = connect(Store(mlflow_server.url), timeout_s=10, retries=1)
    tracking.probe()
    cache = BundleCache(tmp_path)
    cache.put(made)
    with pytest.raises(Killed):
        Registry(tracking, cache, "tocsin", dying("verify version")).publish(made.digest, NAME)
    registry = Registry(tracking, cache, "tocsin")
    version = registry.publish(made.digest, NAME)
    assert registry.publish(made.digest, NAME) == version
    assert version.number == "1"
    other = fresh(tracking, tmp_path)
    assert read(other.fetch(NAME)).digest == made.digest
    with pytest.raises(UnknownModel):
        other.fetch("nobody")
    with pytest.raises(UnknownVersion):
        other.fetch(NAME, "99")
    uri = tracking.client.get_model_version_download_uri(NAME, "1")
    assert uri.startswith("mlflow-artifacts:")
    stored = mlflow_server.folder / "served" / urlsplit(uri).path.lstrip("/") / ARRAYS
    data = stored.read_bytes()
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleRefused, match=r"digest of arrays\.safetensors differs"):
        fetch_verified(tracking, uri, made, tmp_path)
    stored.unlink()
    with pytest.raises(BundleRefused, match=r"missing file: arrays\.safetensors"):
        fetch(tracking, uri, tmp_path)


def fetch_verified(tracking: Tracking, uri: str, made: Bundle, folder: Path) -> None:
    BundleCache(folder / "third").put_files(fetch(tracking, uri, folder))


def test_a_server_that_hangs_or_is_not_there_is_unavailable_in_time(
    mlflow_server: MlflowServer, tmp_path: Path, cache: BundleCache
) -> None:
    other = builtin("ewma", {"warmup": 33})
    cache.put(other)
    tracking = connect(Store(mlflow_server.url), timeout_s=1, retries=1)
    tracking.probe()
    mlflow_server.signal(signal.SIGSTOP)
    begin = time.monotonic()
    with pytest.raises(Unavailable, match=mlflow_server.url):
        Registry(tracking, cache, "tocsin").publish(other.digest, NAME)
    assert time.monotonic() - begin < 30
    mlflow_server.signal(signal.SIGCONT)
    assert Registry(tracking, cache, "tocsin").publish(other.digest, NAME).verified
    nobody = "http://127.0.0.1:9"
    begin = time.monotonic()
    with pytest.raises(Unavailable, match=nobody):
        Registry(connect(Store(nobody), timeout_s=1, retries=1), cache, "tocsin").fetch(NAME)
    assert time.monotonic() - begin < 30
