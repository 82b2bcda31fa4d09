"""A model is a pickle, or its loader falls back on one, so whoever can write to the model store runs code in every
service that loads from it. The load need not even succeed.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import BundleRefused
from models.bundle import builtin, read
from models.files import ARRAYS, DIGESTS, MANIFEST, listing

#: What the usual loader does; in a process of its own, because nothing of ours may import it.
USUAL = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
Load = Callable[[Path], object]


def evil(marker: Path) -> bytes:
    """A pickle that calls ``os.mkdir(marker)``, written by hand."""
    return f"cos\nmkdir\n(V{marker}\ntR.".encode()


def planted(folder: Path, marker: Path) -> Path:
    """A bundle with the pickle in the place of its arrays, and with digests that fit."""
    content = {MANIFEST: builtin("ewma").files[MANIFEST], ARRAYS: evil(marker)}
    folder.mkdir()
    for name, data in (content | {DIGESTS: listing(content)}).items():
        (folder / name).write_bytes(data)
    return folder


def by_pickle(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", USUAL, str(folder / ARRAYS)], check=True, timeout=30)


def by_us(folder: Path) -> None:
    with pytest.raises(BundleRefused, match="does not hold arrays"):
        read(folder)


def check(load: Load, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    load(planted(tmp_path / "b", marker))
    assert not marker.exists(), "code ran"


def test_nothing_in_a_bundle_is_run(tmp_path: Path) -> None:
    check(by_us, tmp_path)


def test_the_usual_loader_runs_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="code ran"):
        check(by_pickle, tmp_path)
