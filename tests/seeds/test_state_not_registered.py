"""A training writes a part of its state that the description of the model does not know, or forgets one that it does.
The loader takes what it finds, and the part that is left out begins anew at every start.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import BundleRefused
from models import bundle as bundles
from models.arrays import packed
from models.bundle import build, builtin, read
from models.files import ARRAYS, DIGESTS, MANIFEST, canonical, listing
from models.manifest import Component

Change = Callable[[dict[str, Any], dict[str, NDArray[Any]]], object]

#: What the training got wrong: in the description, or in the arrays.
CHANGES: dict[str, Change] = {
    "a part that nobody knows": lambda told, arrays: arrays.update({"state/more": np.zeros(3)}),
    "a part that is told of and not there": lambda told, arrays: arrays.pop("state/level"),
    "a part that is there and not told of": lambda told, arrays: told.update(state=[]),
}


def wrong(change: Change, folder: Path) -> Path:
    """A bundle whose digests fit, with such a mistake in it."""
    arrays = {"state/level": np.arange(4.0)}
    whole = build("pump", builtin("ewma").detector(), postprocessor=Component(kind="none"), arrays=arrays)
    told, content = json.loads(whole.files[MANIFEST]), dict(whole.arrays)
    change(told, content)
    files = {ARRAYS: packed(content), MANIFEST: canonical(told)}
    folder.mkdir()
    for name, data in (files | {DIGESTS: listing(files)}).items():
        (folder / name).write_bytes(data)
    return folder


def check(folder: Path) -> None:
    kinds, taken = set(), []
    for number, (what, change) in enumerate(CHANGES.items()):
        try:
            read(wrong(change, folder / str(number)))
            taken.append(what)
        except BundleRefused as error:
            kinds.add(error.kind)
    assert kinds <= {"state"}, "told as something else"
    assert taken == [], "served with another state"


def test_state_and_description_are_the_same_or_it_is_refused(tmp_path: Path) -> None:
    check(tmp_path)


def test_a_loader_that_takes_what_it_finds_serves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "check_content", lambda manifest, arrays: None)
    with pytest.raises(AssertionError, match="served with another state"):
        check(tmp_path)
