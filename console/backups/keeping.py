"""Files on their way into a backup: each written under another name, synced, and then put in place."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from contracts.errors import Unavailable

from .contents import File, digest

_CHUNK = 1 << 20


@dataclass
class Keeper:
    """Collects the files of a backup in ``folder``; ``told`` hears of each, with its size."""

    folder: Path
    told: Callable[[str, int], None]
    files: dict[str, File] = field(default_factory=dict)
    #: What an earlier backup in the folder has: never written again when it is still the same.
    known: dict[str, File] = field(default_factory=dict)
    copied: int = 0

    def keep(self, source: Path, path: str) -> None:
        """Copy a file. Raises Unavailable when the disk is at fault; a source that vanished is left out."""
        target = self.folder / path
        try:
            size = source.stat().st_size
            before = self.known.get(path)
            if before is not None and before.size == size and target.is_file() and digest(source) == before.digest:
                self._note(before)
                return
            self._note(File(path=path, size=size, digest=self._copied(source, target)))
            self.copied += size
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"{target} cannot be written: {error.strerror}", mend="Free space there") from error

    def write(self, path: str, data: bytes) -> None:
        """Write a file."""
        target = self.folder / path
        try:
            _publish(target, data)
        except OSError as error:
            raise Unavailable(f"{target} cannot be written: {error.strerror}", mend="Free space there") from error
        self._note(File(path=path, size=len(data), digest=blake2b(data, digest_size=32).hexdigest()))
        self.copied += len(data)

    def note(self, path: str) -> None:
        """Take in a file that somebody else has written into the folder."""
        target = self.folder / path
        self._note(File(path=path, size=target.stat().st_size, digest=digest(target)))
        self.copied += target.stat().st_size

    def keep_all(self, source: Path, path: str) -> None:
        """Copy everything below a folder, as far as it is there."""
        for each in sorted(_below(source)):
            self.keep(each, f"{path}/{each.relative_to(source).as_posix()}")

    def _note(self, file: File) -> None:
        self.files[file.path] = file
        self.told(file.path, file.size)

    @staticmethod
    def _copied(source: Path, target: Path) -> str:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft, state = target.with_name(f".{target.name}.draft"), blake2b(digest_size=32)
        with source.open("rb") as reading, draft.open("wb") as writing:
            while chunk := reading.read(_CHUNK):
                state.update(chunk)
                writing.write(chunk)
            writing.flush()
            os.fsync(writing.fileno())
        draft.replace(target)
        return state.hexdigest()


def tidy(folder: Path, keep: str) -> None:
    """Remove the states of earlier backups, and drafts of interrupted ones."""
    for each in (folder / "states").iterdir():
        if each.name != keep:
            shutil.rmtree(each, ignore_errors=True)
    for draft in folder.rglob(".*.draft"):
        draft.unlink(missing_ok=True)


def _publish(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_name(f".{target.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        # Locks and what is being written have names that begin with a point.
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in names if not name.startswith("."))
