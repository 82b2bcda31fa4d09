"""Files that are there whole or not at all, and the disk's errors in our own words."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from contracts.errors import Unavailable

#: A file with this ending is half written; nobody reads it.
DRAFT = ".draft"

_MENDS = {
    errno.ENOSPC: "The disk is full: free space, or move archive.path to a larger one. Nothing is trimmed meanwhile",
    errno.EDQUOT: "The quota is used up: raise it, or move archive.path. Nothing is trimmed meanwhile",
    errno.EACCES: "Give this user the right to write there, or set archive.path. Nothing is trimmed meanwhile",
    errno.EPERM: "Give this user the right to write there, or set archive.path. Nothing is trimmed meanwhile",
    errno.EROFS: "The disk is read-only: see why, or set archive.path. Nothing is trimmed meanwhile",
}
_OTHER = "See whether the disk is there and healthy. Nothing is trimmed meanwhile"


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Errors of the disk as Unavailable, with what to do."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        text = error.strerror or str(error)
        raise Unavailable(f"archive: {where}: {text}", mend=_MENDS.get(error.errno or 0, _OTHER)) from error


def make(folder: Path) -> None:
    """Make a folder, and see to it that it outlives a power loss."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        settle(path.parent)


def settle(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def publish(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file under another name, put it on the disk, then give it its own name; a failure leaves nothing."""
    make(path.parent)
    draft = path.with_name(path.name + DRAFT)
    try:
        with draft.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    settle(path.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The only writer of a folder, among all processes of this machine."""
    make(folder)
    with (folder / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
