"""A model is served beside another version of numpy, or without scipy, since an image was built anew. It loads, and its
scores are other ones by a little, which no log tells.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import BundleRefused
from models.bundle import builtin, read, write
from models.environment import Environment

HERE = Environment.current()


def with_packages(**changes: str) -> Environment:
    packages = {name: version for name, version in (HERE.packages | changes).items() if version}
    return HERE.model_copy(update={"packages": packages})


#: What was installed when it was served -> what the refusal has to say.
OTHERS = {
    "numpy was": with_packages(numpy="9.9.9"),
    "scipy was": with_packages(scipy=""),
    "python was": HERE.model_copy(update={"python": "3.99"}),
}


def check(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = builtin("ewma")
    write(bundle, folder)
    kinds, served = set(), []
    for words, other in OTHERS.items():
        monkeypatch.setattr(Environment, "current", lambda other=other: other)
        try:
            read(folder, digest=bundle.digest)
            served.append(words)
        except BundleRefused as error:
            kinds.add((error.kind, words in str(error)))
    assert kinds <= {("environment", True)}, "told as something else"
    assert served == [], "served beside other versions"


def test_each_package_that_counts_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path / "b", monkeypatch)


def test_without_the_comparison_it_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful: Callable[..., list[str]] = lambda self, here: []  # noqa: E731 - one line is all there is to it
    monkeypatch.setattr(Environment, "differences", forgetful)
    with pytest.raises(AssertionError, match="served beside other versions"):
        check(tmp_path / "b", monkeypatch)
