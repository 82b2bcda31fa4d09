"""Secrets of subscribers that were made while the service runs: in a file of this machine, never in the log."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...privatefile import PrivateFile

_NAME = "subscribers.json"
_MOST_BYTES = 8 << 20


class Vault:
    """A file that only its owner may read: subscriber -> field -> secret. Written whole, under a lock."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made when something is put: with the usual settings DATA_DIR/secrets."""
        self.folder = folder
        self.path = folder / _NAME
        self._file = PrivateFile(self.path, _MOST_BYTES)

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
        with self._file.changing():
            held = self._read()
            yield held
            self._file.write(json.dumps(held, indent=1).encode())

    def _read(self) -> dict[str, dict[str, str]]:
        if (data := self._file.read()) is None:
            return {}
        try:
            return {name: dict(secrets) for name, secrets in json.loads(data).items()}
        except (ValueError, TypeError, AttributeError):
            raise self._file.damaged() from None


def vault_of(data_dir: Path) -> Vault:
    """The one of an installation."""
    return Vault(data_dir / "secrets")
