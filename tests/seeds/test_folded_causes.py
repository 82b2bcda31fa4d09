"""A mount that failed, a missing file, half a file: the loader catches them all and says "model not found". Whoever is
called at night looks in the registry, where the model is, or trains a new one.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import BundleRefused, NotFound, TocsinError, Unavailable
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from models.files import ARRAYS

Load = Callable[[BundleCache, str], object]
Break = Callable[[Path], None]


def nothing_there(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def not_a_folder(folder: Path) -> None:
    nothing_there(folder)
    folder.write_text("a mount that failed")


def missing_file(folder: Path) -> None:
    (folder / ARRAYS).unlink()


def cut_short(folder: Path) -> None:
    (folder / ARRAYS).write_bytes((folder / ARRAYS).read_bytes()[:100])


#: What is done to the bundle -> the class of the error, and what it has to name.
CAUSES: dict[Break, tuple[type[TocsinError], str]] = {
    nothing_there: (NotFound, "is not in"),
    not_a_folder: (Unavailable, "cannot be read: Not a directory"),
    missing_file: (BundleRefused, f"missing file: {ARRAYS}"),
    cut_short: (BundleRefused, f"{ARRAYS} is 100 bytes"),
}


def by_us(cache: BundleCache, digest: str) -> Bundle:
    return cache.get(digest)


def folding(cache: BundleCache, digest: str) -> Bundle:
    try:
        return cache.get(digest)
    except (OSError, TocsinError):
        raise NotFound(f"bundle {digest} is not in the registry") from None


def check(load: Load, data_dir: Path) -> None:
    folded = []
    for number, (broken, (kind, words)) in enumerate(CAUSES.items()):
        cache = BundleCache(data_dir / str(number))
        folder = cache.put(made := builtin("ewma"))
        broken(folder)
        with pytest.raises(TocsinError) as caught:
            load(cache, made.digest)
        if type(caught.value) is not kind or words not in str(caught.value):
            folded.append(broken.__name__)
    assert not folded, f"told as something else: {', '.join(folded)}"


def test_each_cause_has_its_own_words(tmp_path: Path) -> None:
    check(by_us, tmp_path)


def test_one_error_for_all_hides_them(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="else: not_a_folder, missing_file, cut_short"):
        check(folding, tmp_path)
