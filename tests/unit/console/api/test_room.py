"""Each subscriber takes a file descriptor: the process makes room for them, or takes fewer."""

import resource
from collections.abc import Iterator

import pytest

from console.api.api import _room


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """The limits of this process, as they were when the test is over."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, limits[1]))
    assert _room(500) == 500
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1_000


def test_where_it_cannot_be_raised_fewer_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than stop accepting when no descriptor is left."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 1_024))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert _room(2_000) == 1_024 - 512
