"""Notifications in a file, one JSON object per line, each once."""

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import anyio.to_thread
from pydantic import Field, PrivateAttr, field_validator

from contracts.errors import ConfigError, Unavailable
from contracts.events import NotificationDue

from ..parts import Context, Sink
from .lines import json_line

#: Keys that are remembered to notice a second delivery, and how much of the file is read to learn them.
_KEYS = 10_000
_TAIL_BYTES = 32 * 1024 * 1024


class FileSink(Sink[NotificationDue]):
    """Appends to a file. What is delivered is on the disk; what is delivered twice stands there once."""

    concurrency: ClassVar[int] = 1
    kind: Literal["file"] = "file"
    path: Path = Field(description="relative paths are under the data directory")

    _line: Callable[[NotificationDue], str] = PrivateAttr(default_factory=lambda: json_line)
    _place: Path | None = PrivateAttr(default=None)
    _keys: dict[str, None] = PrivateAttr(default_factory=dict)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @field_validator("path")
    @classmethod
    def _inside(cls, path: Path) -> Path:
        if ".." in path.parts:
            raise ValueError(f"{path} must not contain '..': name the folder itself")
        if not path.name:
            raise ValueError("path must name a file")
        return path

    def writing(self, line: Callable[[NotificationDue], str]) -> "FileSink":
        """The same sink, not yet prepared, with lines of another form: JSON with the key as ``key`` or ``id``."""
        sink = FileSink(path=self.path)
        sink._line = line
        return sink

    def prepare(self, context: Context) -> None:
        """Find the file, and learn from its last lines what was delivered before.

        Raises ConfigError when the path is something else than a file.
        """
        place = context.data_dir / self.path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            tail = _tail(place)
        except Unavailable as error:
            raise ConfigError([str(error)]) from error
        except OSError as error:
            raise ConfigError([f"cannot use {place} for notifications: {error.strerror}"]) from error
        with self._lock:
            self._keys.clear()
            self._keys.update(dict.fromkeys(_keys_of(tail)))
        self._place = place

    async def deliver(self, event: NotificationDue) -> None:
        # A disk may take its time: the other parts go on meanwhile.
        await anyio.to_thread.run_sync(self._append, event)

    def _append(self, event: NotificationDue) -> None:
        if self._place is None:
            raise RuntimeError("prepare() comes before deliver()")
        with self._lock:
            if event.key in self._keys:
                return
            _write(self._place, self._line(event).encode())
            self._keys[event.key] = None
            while len(self._keys) > _KEYS:
                del self._keys[next(iter(self._keys))]


def _open(path: Path, flags: int) -> int:
    """Open a regular file; a pipe or a device neither blocks nor is written to.

    Raises Unavailable when the path is something else.
    """
    file = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o640)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise Unavailable(f"{path} is not a regular file", mend="Name a file for the sink's path.")
    return file


def _write(path: Path, line: bytes) -> None:
    """Append a line and wait until it is on the disk. Opened each time: the file may have been moved away."""
    file = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        size = os.fstat(file).st_size
        # Half a line, left by a crash or a full disk, is ended first: it must not spoil the next one.
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        data = memoryview((b"\n" if torn else b"") + line + b"\n")
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
    finally:
        os.close(file)
    if not size:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Without this a new file may be gone after a power loss, whatever was written to it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tail(path: Path) -> bytes:
    """The last bytes of the file; nothing where there is none."""
    try:
        file = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    with os.fdopen(file, "rb") as reader:
        reader.seek(max(0, os.fstat(file).st_size - _TAIL_BYTES))
        return reader.read(_TAIL_BYTES)


def _keys_of(tail: bytes) -> list[str]:
    """The keys of the last whole lines, oldest first."""
    keys = []
    for line in tail.splitlines()[-_KEYS:]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        key = row.get("key", row.get("id")) if isinstance(row, dict) else None
        if isinstance(key, str):
            keys.append(key)
    return keys
