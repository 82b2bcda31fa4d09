"""A real Alertmanager and our routes tell the same receivers of the same alerts, at the same times."""

import os
import shutil
from pathlib import Path

import pytest

from tests.integration.alertmanager.playing import play
from tests.integration.alertmanager.server import BINARY

_ATTEMPTS = 3


def need_alertmanager() -> None:
    """Skip without it on a laptop; in CI it is a mistake."""
    if shutil.which(BINARY) is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI has no {BINARY}: install prometheus-alertmanager")
        pytest.skip(f"no {BINARY} is installed")


def check(folder: Path, seed: int, count: int, length: float) -> None:
    """No scenario may differ. One that did while the machine stood still says nothing, and is played again."""
    left, decided, different = [f"s{at}" for at in range(count)], set[str](), dict[str, str]()
    told = 0
    for _ in range(_ATTEMPTS):
        played = play(folder / "alertmanager", seed, left, length)
        different = played.differences()
        told += len(played.notices)
        if not different:
            break
        decided |= different.keys() - played.undecided()
        left = sorted(different)
    assert told >= count, "nobody was told of anything"
    assert not different.keys() & decided, different


# What it decided once is compared in every run (tests/unit/notification/routing); this takes a quiet machine.
@pytest.mark.soak
def test_it_decides_as_we_do(tmp_path: Path) -> None:
    need_alertmanager()
    check(tmp_path, seed=1, count=15, length=9.0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(11, 15))
def test_it_decides_as_we_do_in_two_hundred_scenarios(tmp_path: Path, seed: int) -> None:
    need_alertmanager()
    check(tmp_path, seed, count=50, length=45.0)
