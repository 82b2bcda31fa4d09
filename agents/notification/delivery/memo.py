"""What a channel has to know of earlier deliveries after a restart, in one small file."""

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from bus.archive.disk import publish


class Memo:
    """Texts by a key; of more than ``most`` keys the ones that were written longest ago are forgotten.

    The file is read anew each time: another process of this machine may have delivered in between. A missing or
    damaged one is as an empty one: it is never worth failing for. The methods block.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most, self._lock = path, most, threading.Lock()

    def read(self) -> dict[str, list[str]]:
        """All of it."""
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def write(self, changes: Mapping[str, Sequence[str]]) -> None:
        """Put down the texts of some keys; a key without texts is forgotten. What changes nothing writes nothing.

        Raises OSError.
        """
        with self._lock:
            before = self.read()
            known = {key: texts for key, texts in before.items() if key not in changes}
            known |= {key: list(texts) for key, texts in changes.items() if texts}
            if known == before:
                return
            data = json.dumps(dict(list(known.items())[-self._most :])).encode()

            def write(file: BinaryIO) -> None:
                file.write(data)

            publish(self._path, write)
