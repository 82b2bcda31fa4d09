"""Secrets of subscribers that were made while the service runs: in a file of this machine, never in the log."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import Unavailable

_NAME = "subscribers.json"
_MOST_BYTES = 8 << 20


class Vault:
    """A file that only its owner may read: subscriber -> field -> secret. Written whole, under a lock."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made when something is put: with the usual settings DATA_DIR/secrets."""
        self.folder = folder
        self.path = folder / _NAME

    def get(self, name: str) -> dict[str, str]:
        """The secrets of a subscriber; none where there are none.

        Raises Unavailable when the file cannot be read, or others may read it.
        """
        return self._read().get(name, {})

    def put(self, name: str, secrets: Mapping[str, str]) -> None:
        """Keep these secrets, and forget what was kept for the name before; on the disk when it returns.

        Raises Unavailable.
        """
        with self._changing() as held:
            held[name] = dict(secrets)

    def remove(self, name: str) -> None:
        """Forget a subscriber's secrets.

        Raises Unavailable.
        """
        if self.path.exists():
            with self._changing() as held:
                held.pop(name, None)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, str]]]:
        """What is held, to be changed; two that change it at the same time do so one after the other."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.folder / f".{_NAME}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                held = self._read()
                yield held
                self._write(held)
            finally:
                os.close(lock)
        except OSError as error:
            raise Unavailable(f"cannot write {self.path}: {error.strerror}") from None

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            number = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with os.fdopen(number, "rb") as file:
                if os.fstat(number).st_mode & 0o077:
                    raise Unavailable(f"others may read {self.path}", mend=f"Run: chmod 600 {self.path}")
                data = json.loads(file.read(_MOST_BYTES))
                return {name: dict(secrets) for name, secrets in data.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Unavailable(f"cannot read {self.path}: {error.strerror}") from None
        except (ValueError, TypeError, AttributeError):
            # The error would quote what is in it.
            raise Unavailable(
                f"{self.path} is not the JSON that was written", mend="Restore it from a backup."
            ) from None

    def _write(self, held: Mapping[str, Mapping[str, str]]) -> None:
        draft = self.path.with_name(f".{_NAME}.draft")
        draft.unlink(missing_ok=True)
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(json.dumps(held, indent=1).encode())
            file.flush()
            os.fsync(number)
        draft.replace(self.path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def vault_of(data_dir: Path) -> Vault:
    """The one of an installation."""
    return Vault(data_dir / "secrets")
