"""The folder of artifacts belongs to another user after a backup was restored, and the registry finds nothing in it.
The model is published again and again, or trained anew, though all of it is there.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.errors import BundleRefused, Denied, TocsinError
from models.artifacts import fetch
from models.bundle import builtin, write
from models.tracking import Store, Tracking
from tests.unit.models.privileges import unprivileged

Fetch = Callable[[Tracking, str, Path], object]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may look into, as those of the tests are not."""
    made = Path(tempfile.mkdtemp(prefix="tocsin-artifacts-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def folding(tracking: Tracking, uri: str, scratch: Path) -> object:
    """As a listing that takes any error for nothing there."""
    try:
        return fetch(tracking, uri, scratch)
    except TocsinError as error:
        raise BundleRefused(f"files missing: {uri} holds none", kind="missing file") from error


def check(load: Fetch, folder: Path) -> None:
    (run := folder / "run").mkdir()
    (scratch := folder / "scratch").mkdir()
    scratch.chmod(0o777)
    write(builtin("ewma"), run / "bundle")
    tracking = Tracking(Store("sqlite:///not-needed"))
    uri = (run / "bundle").as_uri()
    assert load(tracking, uri, scratch), "as long as it may be read"
    for path in (run / "bundle" / "manifest.json", run / "bundle", run):
        path.chmod(0)
        with unprivileged(), pytest.raises(TocsinError) as caught:
            load(tracking, uri, scratch)
        path.chmod(0o755)
        assert (type(caught.value), caught.value.kind) == (Denied, "permission"), "told as something else"
    assert load(tracking, uri, scratch), "all of it is there"


def test_what_may_not_be_read_is_not_missing(folder: Path) -> None:
    check(fetch, folder)


def test_an_error_that_is_taken_for_an_empty_folder_hides_it(folder: Path) -> None:
    with pytest.raises(AssertionError, match="told as something else"):
        check(folding, folder)
