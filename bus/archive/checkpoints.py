"""Copies of snapshots, now and then, so that a replay of the past need not begin at the beginning."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

import pyarrow as pa

from contracts.errors import CorruptEvent, NotFound

from ..protocol import Snapshot
from .disk import publish

_SUFFIX = ".checkpoint"
#: A state is never larger: the size is checked before it is inflated.
_MOST_BYTES = 1 << 30


class Checkpoints:
    """The checkpoints below one folder, as ``partition=0003/<task>/<position>.checkpoint``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _folder(self, partition: int, task: str) -> Path:
        return self.root / f"partition={partition:04d}" / quote(task, safe="")

    def _path(self, partition: int, task: str, position: int) -> Path:
        return self._folder(partition, task) / f"{position:020d}{_SUFFIX}"

    def tasks(self, partition: int) -> list[str]:
        """The tasks of a partition that have any."""
        return sorted(unquote(path.name) for path in self.root.glob(f"partition={partition:04d}/*") if path.is_dir())

    def positions(self, partition: int, task: str) -> list[int]:
        """Where there are checkpoints of a task, in order."""
        names = self._folder(partition, task).glob(f"*{_SUFFIX}")
        return sorted(int(path.stem) for path in names if path.stem.isdigit())

    def load(self, partition: int, task: str, position: int) -> Snapshot:
        """The checkpoint at a position.

        Raises NotFound when there is none, CorruptEvent when its bytes are not the ones that were written.
        """
        path = self._path(partition, task, position)
        try:
            head, _, data = path.read_bytes().partition(b"\n")
        except FileNotFoundError as error:
            raise NotFound(f"archive: no checkpoint of {task} at {position} on partition {partition}") from error
        try:
            told = json.loads(head)
            plain, digest, size = told["snapshot"], told["digest"], int(told["bytes"])
            if _digest(plain, data) != digest or not 0 <= size <= _MOST_BYTES:
                raise ValueError("the digest does not match")
            state = bytes(pa.decompress(data, size, codec="zstd")) if size else b""
            return Snapshot(**{**plain, "data": state})
        except (ValueError, TypeError, KeyError, OSError, pa.ArrowException) as error:
            raise CorruptEvent(
                f"archive: {path} is damaged: {error}", mend="Delete the file: an older checkpoint, or the log, does"
            ) from error

    def save(self, partition: int, task: str, snapshot: Snapshot) -> Path:
        """Keep a copy of a snapshot."""
        size = len(snapshot.data)
        data = bytes(pa.compress(snapshot.data, codec="zstd", asbytes=True)) if size else b""
        plain = {**_plain(snapshot), "ends": dict(snapshot.ends)}
        head = json.dumps({"snapshot": plain, "bytes": size, "digest": _digest(plain, data)}, sort_keys=True)

        def write(file: BinaryIO) -> None:
            file.write(head.encode() + b"\n")
            file.write(data)

        path = self._path(partition, task, int(snapshot.position))
        publish(path, write)
        return path

    def prune(self, partition: int, task: str, keep: int) -> None:
        """Keep the last ``keep``, and of older ones the first of each day."""
        folder = self._folder(partition, task)
        for draft in folder.glob("*.draft"):
            draft.unlink(missing_ok=True)
        days = set()
        for position in self.positions(partition, task)[:-keep]:
            path = self._path(partition, task, position)
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
            if day in days:
                path.unlink()
            days.add(day)

    def drop_after(self, partition: int, task: str, position: int) -> None:
        """Remove what belongs to a log that lost its end."""
        for found in self.positions(partition, task):
            if found > position:
                self._path(partition, task, found).unlink()


def _plain(snapshot: Snapshot) -> dict[str, Any]:
    """Everything about a snapshot but its state."""
    return {field.name: getattr(snapshot, field.name) for field in fields(snapshot) if field.name != "data"}


def _digest(plain: dict[str, Any], data: bytes) -> str:
    state = blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16)
    state.update(data)
    return state.hexdigest()
