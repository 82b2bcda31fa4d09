"""Bundles that earlier versions built: they are read as they are, and score as they did.

The folders are what ``models.bundle.write`` wrote then; the number is the schema version.
"""

from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BundleRefused
from models import golden
from models.bundle import opened
from models.environment import Environment
from models.files import MANIFEST, read_verified
from models.manifest import parse

FOLDER = Path(__file__).parent / "bundles"
RECORDED = {"1": "d66b60fa72b145f5e39c556961a477ec507d51734c672a7635b0c493ff5124e1"}


def test_every_recorded_bundle_is_known() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(RECORDED)


@pytest.mark.parametrize(("version", "digest"), RECORDED.items())
def test_it_is_read_with_the_bytes_that_it_had(version: str, digest: str) -> None:
    assert parse(read_verified(FOLDER / version, digest)[MANIFEST]).schema_version == int(version)


def test_it_is_served_where_its_versions_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever version of Tocsin this is: of the environment only what computes scores counts."""
    files = read_verified(FOLDER / "1")
    built = parse(files[MANIFEST]).environment
    assert built.packages["tocsin"] == "0.1.0"
    packages = {name: version for name, version in built.packages.items() if name != "tocsin"}
    there = Environment(python=built.python, packages=packages)
    monkeypatch.setattr("models.manifest.Environment.current", lambda: there)
    bundle = opened(files)
    assert bundle.manifest.state == ()
    assert bundle.detector().warmup == 50
    monkeypatch.setattr(
        "models.manifest.Environment.current",
        lambda: there.model_copy(update={"packages": packages | {"numpy": "9.9.9"}}),
    )
    with pytest.raises(BundleRefused, match=r"numpy was .*, here it is 9\.9\.9"):
        opened(files)


def test_its_golden_vectors_are_those_that_are_made_today() -> None:
    from models.arrays import unpacked

    arrays = unpacked(read_verified(FOLDER / "1")["arrays.safetensors"])
    times, values = golden.inputs(len(arrays["golden/times"]))
    assert np.array_equal(times, arrays["golden/times"])
    assert np.array_equal(values, arrays["golden/values"])
