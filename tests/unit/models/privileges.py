"""Tests may run as root, for whom no mode of a file means anything: here we are somebody else for a while."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without the rights of root; skips where they cannot be given up."""
    if os.geteuid():
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("root that cannot become anybody else")
    try:
        yield
    finally:
        os.seteuid(0)
