"""What a backup holds: ``backup.json``, with size and digest of every file.

backup.json            written last, in one step: what is not listed in it is no part of the backup
archive/               segments of the archive, as they are
bundles/DIGEST/        model bundles
artifacts/             MLflow's artifacts, where its store is local
states/STAMP/          what differs each time: positions and states, the end of the log, lists of the archive,
MLflow's database, the configuration without secrets
"""

import json
import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import CorruptEvent, NotFound, Unavailable

NAME = "backup.json"
_CHUNK = 1 << 20


class File(BaseModel):
    """A file of a backup; ``path`` is below its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(pattern=r"^[^/\\\x00][^\\\x00]*$")
    size: int = Field(ge=0)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="BLAKE2b of its bytes")

    @property
    def safe(self) -> bool:
        """Whether the path stays below the folder."""
        return not any(part in ("", ".", "..") for part in self.path.split("/"))


class Contents(BaseModel):
    """``backup.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    made: str = Field(description="when, UTC")
    tocsin: str = Field(description="version that made it")
    identity: str = Field(description="of the log")
    partitions: int = Field(ge=1)
    stamp: str = Field(pattern=r"^[0-9TZ]+(-[0-9]+)?$", description="folder below states/")
    artifacts: str = Field(default="", description="URI that MLflow's store had its artifacts at; empty: not copied")
    ends: dict[str, int] = Field(description="STREAM/PARTITION -> ordinal of the last event")
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


def read(folder: Path) -> Contents:
    """What a backup says it holds.

    Raises NotFound where there is none, CorruptEvent when it cannot be read or names a path outside of the folder.
    """
    path = folder / NAME
    try:
        contents = Contents.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(f"{folder} holds no backup: {NAME} is not there", mend="It is written last") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CorruptEvent(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if bad := [file.path for file in contents.files if not file.safe]:
        raise CorruptEvent(f"{path} names {bad[0]!r}, which is outside of the backup")
    return contents


def write(folder: Path, contents: Contents) -> None:
    """Put ``backup.json`` in place, on disk, in one step."""
    draft = folder / f".{NAME}.draft"
    text = json.dumps(contents.model_dump(mode="json"), indent=1)
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / NAME)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check(folder: Path, files: Iterable[File]) -> Iterator[tuple[File, str]]:
    """Every file with what is wrong with it; empty where nothing is."""
    for file in files:
        path = folder / file.path
        try:
            if path.is_symlink() or not path.is_file():
                yield file, "is not there"
            elif path.stat().st_size != file.size:
                yield file, f"has {path.stat().st_size:,} bytes instead of {file.size:,}"
            else:
                yield file, "" if digest(path) == file.digest else "is not what was written: its digest differs"
        except OSError as error:
            yield file, f"cannot be read: {error.strerror}"


def digest(path: Path) -> str:
    """BLAKE2b of a file's bytes, 64 hex digits."""
    state = blake2b(digest_size=32)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()
