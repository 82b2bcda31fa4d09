"""A file with secrets: only its owner may read it, and it is written whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import Unavailable


class PrivateFile:
    """Read as long as nobody else can read it; changed under a lock."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path, self.most_bytes = path, most_bytes

    def read(self) -> bytes | None:
        """What is in it; None where there is no such file.

        Raises Unavailable when it cannot be read, is too large, or others may read it.
        """
        try:
            number = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with os.fdopen(number, "rb") as file:
                if os.fstat(number).st_mode & 0o077:
                    raise Unavailable(f"others may read {self.path}", mend=f"Run: chmod 600 {self.path}")
                data = file.read(self.most_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read {self.path}: {error.strerror}") from None
        if len(data) > self.most_bytes:
            raise self.damaged()
        return data

    def damaged(self) -> Unavailable:
        """The error for bytes that nobody here wrote; it does not quote them."""
        return Unavailable(f"{self.path} is not the JSON that was written", mend="Restore it from a backup.")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Two that change it at the same time do so one after the other; its folder is made. Raises Unavailable."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(folder / f".{self.path.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise Unavailable(f"cannot write {self.path}: {error.strerror}") from None

    def write(self, data: bytes) -> None:
        """On the disk when it returns. Raises OSError, which ``changing`` tells."""
        folder = self.path.parent
        draft = self.path.with_name(f".{self.path.name}.draft")
        draft.unlink(missing_ok=True)
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as file:
            if os.geteuid() == 0:
                # What root writes for a service that runs as somebody else has to be that one's.
                owner = folder.stat()
                os.fchown(number, owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(number)
        draft.replace(self.path)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
