"""A model file is cut short by a full disk, loses a bit in a copy, or is another model under the right name. Most
loaders take what they get, and the service goes on with scores that look like scores.
"""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BundleRefused
from models import files
from models.bundle import build, builtin, read, write
from models.files import FILES
from models.manifest import Component

LIMIT = Component(kind="threshold", parameters={"threshold": 0.9, "hold": 3})


def stored(folder: Path, scale: float = 1.0) -> str:
    """A bundle with a state of its own; returns its digest."""
    arrays = {"state/level": np.linspace(0, scale, 400)}
    bundle = build("pump", builtin("ewma").detector(), postprocessor=LIMIT, arrays=arrays)
    write(bundle, folder)
    return bundle.digest


def accepted(folder: Path, digest: str) -> bool:
    try:
        read(folder, digest=digest)
    except BundleRefused:
        return False
    return True


def flipped(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def check_damaged(folder: Path) -> None:
    digest, rng = stored(folder), random.Random(7)
    assert accepted(folder, digest)
    taken = list[str]()
    for name in FILES:
        whole = (folder / name).read_bytes()
        for damage in [flipped] * 40 + [cut] * 10:
            (folder / name).write_bytes(damage(whole, rng))
            taken += [name] if accepted(folder, digest) else []
        (folder / name).write_bytes(whole)
    assert taken == [], "damaged and accepted"


def check_another(folder: Path) -> None:
    digest = stored(folder / "one")
    stored(folder / "two", scale=2.0)
    assert not accepted(folder / "two", digest), "another model"


checks = pytest.mark.parametrize(("check", "says"), [(check_damaged, "damaged"), (check_another, "another model")])


@checks
def test_only_the_bytes_that_were_named_are_served(check: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    check(tmp_path / "b")


@checks
def test_without_digests_other_bytes_are_served(
    check: Callable[[Path], None], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "check_contents", lambda content, expected=None: None)
    with pytest.raises(AssertionError, match=says):
        check(tmp_path / "b")
