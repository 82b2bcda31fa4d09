"""Exclusive locks between processes, on files of one machine."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import Unavailable

_PAUSE_S = 0.02


@contextmanager
def locked(path: Path, patience_s: float = 60.0) -> Iterator[None]:
    """Hold the lock file ``path``; the system lets go of it when its holder dies, however that happens.

    Raises Unavailable when it could not be had in ``patience_s`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        for _ in range(max(1, int(patience_s / _PAUSE_S))):
            if try_lock(number):
                break
            time.sleep(_PAUSE_S)
        else:
            raise Unavailable(f"{path}: locked by another process for over {patience_s:.0f} s")
        yield
    finally:
        os.close(number)


def try_lock(number: int) -> bool:
    """Lock an open file or folder if nobody else has; closing it unlocks."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
