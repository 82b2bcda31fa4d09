"""Moving aliases and throwing away: with real MLflow stores, and with people who change their minds."""

from pathlib import Path

import pytest

from contracts.errors import BundleRefused
from models import garbage
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from models.garbage import Item, plan
from models.promotion import Promotions
from models.registry import Registry, UnknownVersion
from models.signature import create_key, public_key
from models.stores import FolderStore
from models.tracking import Tracking, connect
from tests.integration.mlflow_stores import local_store

NAME = "tocsin-detector-ewma"
DAY = 86_400_000
FAR = 1 << 60


@pytest.fixture
def tracking(tmp_path: Path, template: Path) -> Tracking:
    return connect(local_store(tmp_path, template))


@pytest.fixture
def registry(tracking: Tracking, tmp_path: Path) -> Registry:
    return Registry(tracking, BundleCache(tmp_path), "tocsin")


def made(number: int) -> Bundle:
    return builtin("ewma", {"warmup": 30 + number}, name="ewma")


def published(registry: Registry, count: int) -> list[Bundle]:
    bundles = [made(number) for number in range(count)]
    for bundle in bundles:
        registry.cache.put(bundle)
        registry.publish(bundle.digest, NAME)
    return bundles


def on(registry: Registry, alias: str = "production") -> str:
    return registry.resolve(NAME, alias).number


def test_promoting_and_rolling_back_moves_the_alias_and_says_who_and_why(registry: Registry) -> None:
    published(registry, 3)
    promotions = Promotions(registry)
    promotions.promote(NAME, "1", by="ann", why="3 sees ghosts", at_ms=5)
    assert on(registry) == "1"
    moves = promotions.moves(NAME, "production")
    assert [(move.version, move.before, move.how) for move in moves] == [
        ("1", "", "published"), ("2", "1", "published"), ("3", "2", "published"), ("1", "3", "promoted"),
    ]  # fmt: skip
    assert (moves[-1].by, moves[-1].why, moves[-1].at_ms) == ("ann", "3 sees ghosts", 5)
    assert promotions.rollback(NAME, by="bob", why="it was winter", at_ms=6).version == "3"
    assert on(registry) == "3"


def test_rolling_back_twice_leads_further_back_until_there_is_no_more(registry: Registry) -> None:
    published(registry, 3)
    promotions = Promotions(registry)
    found = [promotions.rollback(NAME, by="ann", why="", at_ms=number).version for number in range(2)]
    assert found == ["2", "1"]
    with pytest.raises(UnknownVersion, match="has been on no other version"):
        promotions.rollback(NAME, by="ann", why="", at_ms=9)
    assert on(registry) == "1"


def test_a_rollback_after_somebody_moved_the_alias_by_hand_goes_to_the_last_that_is_known(registry: Registry) -> None:
    published(registry, 3)
    registry.tracking.client.set_registered_model_alias(NAME, "production", "1")
    assert Promotions(registry).rollback(NAME, by="ann", why="", at_ms=1).version == "3"


def test_only_a_sound_and_verified_version_gets_the_alias(registry: Registry, tmp_path: Path) -> None:
    published(registry, 2)
    promotions = Promotions(registry)
    registry.tracking.client.delete_model_version_tag(NAME, "1", "verified")
    with pytest.raises(BundleRefused, match="version 1 was never verified") as caught:
        promotions.promote(NAME, "1", by="ann", why="", at_ms=1)
    assert caught.value.kind == "not verified"
    for path in tmp_path.glob("mlflow/artifacts/**/manifest.json"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleRefused, match=r"version 2: .*manifest\.json is") as caught:
        promotions.promote(NAME, "2", "canary", by="ann", why="", at_ms=1)
    assert caught.value.kind == "digest"
    with pytest.raises(UnknownVersion):
        registry.resolve(NAME, "canary")


def test_verifying_reads_the_registry_and_not_the_copy_at_hand(registry: Registry, tmp_path: Path) -> None:
    bundle = published(registry, 1)[0]
    found = Promotions(registry).verify(NAME, "production")
    assert (found["bundle"], found["golden_vectors"], found["signed_by"]) == (bundle.digest, 800, "")
    next(tmp_path.glob("mlflow/artifacts/**/arrays.safetensors")).unlink()
    assert registry.cache.get(bundle.digest).digest == bundle.digest
    with pytest.raises(BundleRefused, match=r"missing file: arrays\.safetensors"):
        Promotions(registry).verify(NAME, "production")


def test_what_is_published_with_a_key_is_signed_and_others_trust_it(tracking: Tracking, tmp_path: Path) -> None:
    create_key(key := tmp_path / "key")
    cache = BundleCache(tmp_path)
    cache.put(bundle := made(0))
    Registry(tracking, cache, "tocsin", key=key).publish(bundle.digest, NAME)
    elsewhere = BundleCache(tmp_path / "elsewhere", trusted=(public_key(key),))
    there = Registry(tracking, elsewhere, "tocsin")
    there.fetch(NAME)
    assert elsewhere.get(bundle.digest).digest == bundle.digest
    assert Promotions(there).verify(NAME, "1")["signed_by"] == public_key(key)
    nobody = Registry(tracking, BundleCache(tmp_path / "third", trusted=("0" * 64,)), "tocsin")
    with pytest.raises(BundleRefused, match="is not a trusted key"):
        Promotions(nobody).verify(NAME, "1")


def test_the_store_has_the_bundle_before_the_alias_is_on_it(tracking: Tracking, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    store = FolderStore(tmp_path / "shared")
    bundle, seen = made(0), list[bool]()

    def looking(step: str) -> None:
        if step == "alias":
            seen.append(bundle.digest in store.holdings())

    cache = BundleCache(tmp_path, store=store)
    cache.put(bundle)
    Registry(tracking, cache, "tocsin", looking).publish(bundle.digest, NAME)
    assert seen == [True]
    elsewhere = BundleCache(tmp_path / "elsewhere", store=store)
    assert elsewhere.get(bundle.digest).digest == bundle.digest
    assert elsewhere.list() == (bundle.digest,)


# ---------------------------------------------------------------- throwing away


def test_only_what_nothing_refers_to_and_is_old_enough_may_go() -> None:
    items = [Item("run", "a", "r1", 10, 5), Item("version", "a", "m/1", 0, 6), Item("cache", "a", "a", 10, 6)]
    items += [Item("cache", "b", "b", 7, 1), Item("cache", "c", "c", 3, 1), Item("store", "c", "c", 3, 99)]
    found = plan(items, {"b": "alias production of m"}, before_ms=50)
    assert [item.where for item in found.remove] == ["version", "run", "cache"]
    assert {item.bundle for item in found.remove} == {"a"}
    assert found.bytes == 20
    assert found.kept == {"b": "alias production of m", "c": "it is too young"}


def test_what_was_collected_is_gone_everywhere_and_the_rest_is_sound(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    registry.cache.store = FolderStore(tmp_path / "shared")
    bundles = published(registry, 3)
    items, referred = garbage.found(registry)
    assert referred == {bundles[2].digest: f"alias production of {NAME}"}
    wanted = plan(items, referred | {bundles[1].digest: "a finding"}, before_ms=FAR)
    assert {item.bundle for item in wanted.remove} == {bundles[0].digest}
    assert [item.where for item in wanted.remove] == ["version", "run", "store", "cache"]
    garbage.remove(registry, wanted.remove)
    kept = {bundles[1].digest, bundles[2].digest}
    assert set(registry.cache.list()) == kept == set(registry.cache.store.holdings())
    assert [version.number for version in registry.versions(NAME)] == ["2", "3"]
    assert len(list(tmp_path.glob("mlflow/artifacts/**/manifest.json"))) == 2
    for number in ("2", "3"):
        Promotions(registry).verify(NAME, number)
    again, _ = garbage.found(registry)
    assert {item.bundle for item in again} == kept


class Killed(BaseException):
    pass


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_collecting_that_was_interrupted_is_finished_by_the_next(registry: Registry, tmp_path: Path, done: int) -> None:
    bundles = published(registry, 2)
    items, referred = garbage.found(registry)
    wanted = plan(items, referred, before_ms=FAR)
    seen: list[Item] = []

    def dying(item: Item) -> None:
        seen.append(item)
        if len(seen) > done:
            raise Killed

    try:
        garbage.remove(registry, wanted.remove, dying)
    except Killed:
        # Nothing that is listed lacks its files.
        for version in registry.versions(NAME):
            Promotions(registry).verify(NAME, version.number)
    items, referred = garbage.found(registry)
    garbage.remove(registry, plan(items, referred, before_ms=FAR).remove)
    assert registry.cache.list() == (bundles[1].digest,)
    assert len(list(tmp_path.glob("mlflow/artifacts/**/manifest.json"))) == 1
    assert [version.number for version in registry.versions(NAME)] == ["2"]


def test_a_version_that_got_an_alias_meanwhile_is_not_collected(registry: Registry) -> None:
    published(registry, 2)
    items, referred = garbage.found(registry)
    wanted = plan(items, referred, before_ms=FAR)
    Promotions(registry).promote(NAME, "1", by="ann", why="", at_ms=1)
    with pytest.raises(BundleRefused, match="has an alias by now"):
        garbage.remove(registry, wanted.remove)
    Promotions(registry).verify(NAME, "production")
