"""``tocsin models`` as people use it: what is published can be listed, checked, moved and tidied up."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from models.bundle import builtin
from models.cache import BundleCache
from models.registry import Registry
from models.tracking import connect
from tests.integration.mlflow_stores import local_store

NAME = "tocsin-detector-ewma"
Command = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def data_dir(template: Path) -> Iterator[Path]:
    """With a path short enough for a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="toc-"))
    local_store(folder, template)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def models(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command; its exit code must be the one that is named."""

    def run(*arguments: str, code: int = 0) -> list[dict[str, Any]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["models", *arguments, "--data-dir", str(data_dir)])
        told = capsys.readouterr()
        assert end.value.code == code, told.err
        return [json.loads(line) for line in told.out.splitlines()] if "--json" in arguments else []

    return run


@pytest.fixture
def digests(data_dir: Path) -> list[str]:
    """Of three versions, each of which was in production for a while."""
    cache, out = BundleCache(data_dir), []
    registry = Registry(connect(local_at(data_dir)), cache, "tocsin")
    for number in range(3):
        bundle = builtin("ewma", {"warmup": 40 + number}, name="ewma")
        cache.put(bundle)
        registry.publish(bundle.digest, NAME)
        out.append(bundle.digest)
    return out


def local_at(data_dir: Path) -> Any:
    from models.tracking import Store

    return Store.local(data_dir)


def test_versions_are_listed_checked_promoted_rolled_back_and_collected(
    models: Command, digests: list[str], data_dir: Path
) -> None:
    def aliased() -> list[str]:
        return [row["version"] for row in models("ls", "--json") if row["aliases"] == ["production"]]

    assert aliased() == ["3"]
    models("rollback", NAME, "--why", "sees ghosts")
    (shown,) = models("show", NAME, "--json")
    assert (shown["version"], shown["bundle"]) == ("2", digests[1])
    assert [move["how"] for move in shown["history"]] == ["published"] * 3 + ["rolled back"]
    assert shown["history"][-1]["why"] == "sees ghosts"
    assert "@" in shown["history"][-1]["by"]
    for path in (data_dir / "mlflow").rglob("manifest.json"):
        if b'"warmup":40' in (data := path.read_bytes()):
            path.write_bytes(data[:-2])
    models("promote", NAME, "1", code=65)
    assert aliased() == ["2"]
    models("gc", "--older-than", "0")
    assert len(BundleCache(data_dir).list()) == 3, "only shown"
    models("gc", "--older-than", "0", "--yes")
    assert BundleCache(data_dir).list() == (digests[1],)
    shutil.rmtree(BundleCache(data_dir).path(digests[1]))
    (found,) = models("verify", NAME, "--json")
    assert (found["bundle"], found["golden_vectors"]) == (digests[1], 800)
    assert BundleCache(data_dir).get(digests[1]).digest == digests[1], "and it is here again"
    damaged = BundleCache(data_dir).path(digests[1]) / "manifest.json"
    damaged.write_bytes(damaged.read_bytes()[:-2])
    models("verify", NAME)
    assert BundleCache(data_dir).get(digests[1]).digest == digests[1]
    models("rollback", NAME, code=1)


def test_nothing_published_is_told_by_the_exit_code(models: Command) -> None:
    assert models("ls", "--json", code=1) == []
    models("show", "nobody", code=1)


def test_signing_needs_a_key_and_says_so(models: Command, digests: list[str], data_dir: Path) -> None:
    models("sign", digests[0], code=78)
