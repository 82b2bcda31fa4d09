"""A model was saved where its arrays lay in the memory of a GPU, or in another order of bytes, and the file says so. On
a machine without one it does not load, or loads numbers that mean something else.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import BundleRefused
from models import bundle as bundles
from models.arrays import packed
from models.bundle import build, builtin, read, write
from models.files import ARRAYS, DIGESTS, MANIFEST, canonical, listing
from models.manifest import Component

Arrays = dict[str, NDArray[Any]]
LEVEL = np.linspace(0.0, 5.0, 12).reshape(3, 4)
#: The same numbers as other machines and libraries lay them out.
LAYOUTS: dict[str, NDArray[Any]] = {
    "by columns": np.asfortranarray(LEVEL),
    "the other order of bytes": LEVEL.astype(">f8"),
    "every other one": np.repeat(LEVEL, 2, axis=1)[:, ::2],
}


def as_they_lie(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The memory itself under the shape that it has here."""
    laid = dict(arrays)
    if (level := laid.get("state/level")) is not None:
        laid["state/level"] = np.frombuffer(level.tobytes(order="A"), np.float64).reshape(level.shape)
    return packed(laid)


def made(level: NDArray[Any], folder: Path) -> NDArray[Any]:
    """The state as it is read from a bundle that was built with it."""
    after = Component(kind="none")
    write(build("pump", builtin("ewma").detector(), postprocessor=after, arrays={"state/level": level}), folder)
    return read(folder).state["state/level"]


def asking(folder: Path) -> Path:
    """A bundle that wants a device."""
    whole = builtin("ewma")
    tree = json.loads(whole.files[MANIFEST]) | {"device": "cuda:0"}
    content = {ARRAYS: whole.files[ARRAYS], MANIFEST: canonical(tree)}
    folder.mkdir()
    for name, data in (content | {DIGESTS: listing(content)}).items():
        (folder / name).write_bytes(data)
    return folder


def check(folder: Path) -> None:
    with pytest.raises(BundleRefused, match=r"manifest\.json: device"):
        read(asking(folder / "cuda"))
    for number, (layout, level) in enumerate(LAYOUTS.items()):
        assert np.array_equal(made(level, folder / str(number)), LEVEL), f"other numbers: {layout}"


def test_numbers_are_the_same_whatever_they_were_computed_on(tmp_path: Path) -> None:
    check(tmp_path)


def test_memory_as_it_lies_is_other_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naive: Callable[[Arrays], bytes] = as_they_lie
    monkeypatch.setattr(bundles, "packed", naive)
    with pytest.raises(AssertionError, match="other numbers: "):
        check(tmp_path)
