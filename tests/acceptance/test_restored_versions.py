"""An installation with 20 published models comes back into an empty folder, and every version is checked there."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.backups.versions import checked
from contracts.settings import load
from models.bundle import builtin
from models.cache import BundleCache
from models.registry import Registry
from models.tracking import Store, connect

from .commands import folder, plant_csv, rows, tocsin

NAME = "pumps"
VERSIONS = 20
LIMIT_S = 60


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A data directory ``d`` with a log and the versions, and a backup of it."""
    with folder() as found:
        tocsin("run", plant_csv(found / "plant.csv"), "--data-dir", found / "d")
        registry = Registry(connect(Store.local(found / "d")), BundleCache(found / "d"), "tocsin")
        for number in range(VERSIONS):
            bundle = builtin("ewma", {"warmup": 30 + number}, name=NAME)
            registry.cache.put(bundle)
            registry.publish(bundle.digest, NAME)
        tocsin("backup", found / "backup", "--data-dir", found / "d")
        yield found


def restored(base: Path, name: str) -> tuple[Any, float]:
    """What the command said, and its seconds."""
    begun = time.monotonic()
    said = json.loads(tocsin("restore", base / "backup", "--data-dir", base / name, "--json"))
    return said, time.monotonic() - begun


@pytest.mark.soak
def test_twenty_versions_are_back_and_checked_in_under_a_minute(base: Path) -> None:
    said, seconds = restored(base, "new")
    sys.stderr.write(f"restored {said['bytes'] / 1e6:.1f} MB in {said['files']} files in {seconds:.1f} s\n")
    ours = [each for each in said["versions"] if each["name"] == NAME]
    assert [each["version"] for each in ours] == [str(number) for number in range(1, VERSIONS + 1)]
    assert all(each["verified"] and not each["problem"] for each in said["versions"])
    assert ours[-1]["aliases"] == ["production"]
    before, after = (
        {
            (row["name"], row["version"]): row["bundle"]
            for row in rows(tocsin("models", "ls", "--json", "--data-dir", d))
        }
        for d in (base / "d", base / "new")
    )
    assert before == after == {(each["name"], each["version"]): each["bundle"] for each in said["versions"]}
    assert seconds < LIMIT_S


@pytest.mark.soak
def test_a_flipped_byte_is_refused_before_and_found_after(base: Path) -> None:
    """In the backup of every version's files nothing is restored; in the restored store that one version is named."""
    listed = json.loads((base / "backup" / "backup.json").read_text())["files"]
    chosen = [file["path"] for file in listed if file["path"].endswith("arrays.safetensors") and file["size"]]
    assert len(chosen) >= 2 * VERSIONS, "in the cache and in the registry"
    for path in (chosen[0], chosen[-1]):
        flip(base / "backup" / path)
        tocsin("restore", base / "backup", "--data-dir", base / "none", code=65)
        assert not (base / "none" / "mlflow").exists()
        flip(base / "backup" / path)
    restored(base, "damaged")
    settings, _ = load(None, {"data_dir": base / "damaged"})
    assert [each["problem"] for each in checked(settings) if each["problem"]] == []
    damaged = next((base / "damaged" / "mlflow" / "artifacts").glob("**/bundle/arrays.safetensors"))
    flip(damaged)
    (found,) = [each for each in checked(settings) if each["problem"]]
    assert "arrays.safetensors" in found["problem"]
    assert not found["verified"]


def flip(path: Path) -> None:
    """One bit in the middle; again, and it is as before."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
