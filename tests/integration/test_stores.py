"""Stores behind the cache: a shared folder and a bucket give what was put, or say why they cannot."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BundleRefused, Denied, NotFound, Unavailable
from contracts.settings import ModelsSettings
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from models.files import ARRAYS, DIGESTS, MANIFEST, SIGNATURE
from models.signature import create_key, sign
from models.stores import BundleStore, FolderStore, ObjectStore, cache_of, open_store
from tests.unit.models.privileges import unprivileged


@pytest.fixture(scope="module")
def made() -> Bundle:
    return builtin("ewma")


def bucket(folder: Path) -> ObjectStore:
    """The code for S3 over a folder: all of it but the network."""
    stores = pytest.importorskip("obstore.store", reason="needs the extra s3")
    return ObjectStore(stores.LocalStore(folder), f"file://{folder}")


@pytest.fixture(params=["folder", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BundleStore:
    (folder := tmp_path / "shared").mkdir()
    return FolderStore(folder) if request.param == "folder" else bucket(folder)


def test_what_was_put_is_got_and_listed_by_another_machine(store: BundleStore, made: Bundle, tmp_path: Path) -> None:
    store.put(made.files)
    store.put(made.files)
    cache = BundleCache(tmp_path, store=store)
    assert cache.list() == ()
    assert cache.get(made.digest).digest == made.digest
    assert cache.list() == (made.digest,)
    held = store.holdings()
    assert held.keys() == {made.digest}
    assert held[made.digest].bytes == sum(map(len, made.files.values()))
    store.remove(made.digest)
    store.remove(made.digest)
    assert store.holdings() == {}
    assert cache.get(made.digest).digest == made.digest, "from the disk"


def test_a_damaged_copy_on_disk_is_mended_from_the_store(store: BundleStore, made: Bundle, tmp_path: Path) -> None:
    store.put(made.files)
    cache = BundleCache(tmp_path, store=store)
    path = cache.put(made) / ARRAYS
    path.write_bytes(path.read_bytes()[:50])
    assert cache.get(made.digest).digest == made.digest
    assert path.read_bytes() == made.files[ARRAYS]


@pytest.mark.parametrize("name", [ARRAYS, MANIFEST, DIGESTS])
def test_a_damaged_copy_in_the_store_is_refused_and_not_kept(
    name: str, store: BundleStore, made: Bundle, tmp_path: Path
) -> None:
    store.put(made.files)
    path = next((tmp_path / "shared").rglob(name))
    path.write_bytes(path.read_bytes()[:-1])
    cache = BundleCache(tmp_path, store=store)
    with pytest.raises(BundleRefused) as caught:
        cache.get(made.digest)
    assert caught.value.kind == "digest"
    assert cache.list() == ()
    store.put(made.files)
    assert cache.get(made.digest).digest == made.digest, "putting it again mends it"


def test_a_half_written_bundle_is_not_there_and_a_missing_file_is_told(made: Bundle, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    store = bucket(tmp_path / "shared")
    store._put(made.digest, ARRAYS, made.files[ARRAYS])
    with pytest.raises(NotFound):
        store.get(made.digest)
    store._put(made.digest, DIGESTS, made.files[DIGESTS])
    with pytest.raises(BundleRefused, match=r"missing file: manifest\.json"):
        store.get(made.digest)
    store.put(made.files)
    assert store.get(made.digest) == dict(made.files)


def test_a_signature_that_came_later_is_kept(store: BundleStore, made: Bundle, tmp_path: Path) -> None:
    create_key(tmp_path / "key")
    signed = {**made.files, SIGNATURE: sign(made.digest, tmp_path / "key")}
    for files in (made.files, signed, made.files):
        store.put(files)
    assert store.get(made.digest) == signed


def test_not_there_and_not_reached_are_told_apart(store: BundleStore, made: Bundle, tmp_path: Path) -> None:
    other = builtin("ewma", {"warmup": 44})
    store.put(other.files)
    cache = BundleCache(tmp_path, store=store)
    with pytest.raises(NotFound, match=made.digest):
        cache.get(made.digest)
    if isinstance(store, FolderStore):
        # A mount that failed leaves an empty folder, or none.
        shutil.rmtree(tmp_path / "shared" / "bundles")
        with pytest.raises(Unavailable, match="is not there"):
            cache.get(made.digest)


def test_permission_denied_is_neither_missing_nor_damaged(made: Bundle, tmp_path: Path) -> None:
    (folder := tmp_path / "shared").mkdir()
    FolderStore(folder).put(made.files)
    folder.chmod(0)
    with unprivileged(), pytest.raises(Denied) as caught:
        FolderStore(folder).get(made.digest)
    folder.chmod(0o755)
    assert caught.value.kind == "permission"


def test_an_address_that_nobody_answers_is_unavailable_in_time(made: Bundle, tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("obstore", reason="needs the extra s3")
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    settings = ModelsSettings(store="s3://bucket/tocsin", store_endpoint="http://127.0.0.1:9", store_timeout_s=1)
    with pytest.raises(Unavailable, match="bundle store s3://bucket/tocsin: read digests") as caught:
        cache_of(tmp_path, settings).get(made.digest)
    assert caught.value.kind == "store down"


def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    assert open_store(ModelsSettings()) is None
    found = open_store(ModelsSettings(store=str(tmp_path)))
    assert isinstance(found, FolderStore)
    with pytest.raises(ValueError, match="must be a folder, or begin with s3://"):
        ModelsSettings(store="gs://bucket")
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        ModelsSettings(trusted_keys=("X",))


def test_a_folder_is_the_same_from_every_working_directory(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    monkeypatch.chdir(tmp_path)
    store = FolderStore(Path("shared"))
    monkeypatch.chdir("/")
    store.put(made.files)
    assert (tmp_path / "shared" / "bundles" / made.digest).is_dir()
