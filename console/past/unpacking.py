"""Taking apart a tar file that came from elsewhere: nothing of it is written before it was checked.

Its first file is the manifest, and names every other with size and digest. It is a plain tar, so a file in it is never
larger than the tar itself; links, devices, holes and names that lead elsewhere are refused.
"""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

from contracts.errors import FileRefused, Unavailable

MANIFEST = "manifest.json"
FORMAT = 1
#: As much as Redis can have held many times over; a damaged size is larger.
MOST_BYTES = 1 << 40
_MOST_FILES = 500_000
_MOST_MANIFEST = 128 << 20
_MOST_NAME = 400
#: What the names of an archive and of a model cache are made of.
_NAME = re.compile(r"[A-Za-z0-9_=%.-]+(/[A-Za-z0-9_=%.-]+)*", re.ASCII)
_PIECE = 1 << 20


def digest_of(path: Path) -> str:
    """BLAKE2b of a file, 64 hex digits."""
    state = blake2b(digest_size=32)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            state.update(piece)
    return state.hexdigest()


def unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Write the files of a bundle below ``folder``, and return its manifest.

    Raises FileRefused, which names the file of the bundle that is wrong, or Unavailable when a disk is at fault.
    """
    with _told(path), tarfile.open(path, "r:", errorlevel=2) as tar:
        manifest: dict[str, Any] | None = None
        expected: dict[str, Mapping[str, Any]] = {}
        for member in tar:
            _check(path, member)
            content = tar.extractfile(member)
            assert content is not None  # noqa: S101 - a plain file always has content
            if manifest is None:
                manifest = _manifest(path, member, content)
                expected = _listed(path, manifest)
                continue
            _write(path, member, content, expected.pop(member.name, None), folder)
    if manifest is None:
        raise _refused(path, "it is empty")
    if expected:
        raise _refused(path, f"{next(iter(expected))} is missing: the file was cut off")
    return manifest


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, UnicodeError, ValueError, OverflowError) as error:
        raise _refused(path, f"not a whole tar file ({error})") from error
    except OSError as error:
        raise Unavailable(f"{error.filename or path}: {error.strerror or error}") from error


def _check(path: Path, member: tarfile.TarInfo) -> None:
    """Refuse what is no plain file, or would be written elsewhere."""
    shown = repr(member.name if len(member.name) <= 80 else f"{member.name[:77]}...")
    if not member.isreg() or member.issparse():
        raise _refused(path, f"{shown} is a link, a device, or another thing that is no plain file")
    parts = member.name.split("/")
    if len(member.name) > _MOST_NAME or not _NAME.fullmatch(member.name) or {".", ".."} & set(parts):
        raise _refused(path, f"{shown} is not a name that a bundle has")


def _manifest(path: Path, member: tarfile.TarInfo, content: IO[bytes]) -> dict[str, Any]:
    if member.name != MANIFEST or member.size > _MOST_MANIFEST:
        raise _refused(path, f"it does not begin with {MANIFEST}")
    try:
        found = json.loads(content.read(_MOST_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"{MANIFEST} is not JSON ({error})") from error
    if not isinstance(found, dict) or found.get("kind") != "tocsin incident":
        raise _refused(path, f"{MANIFEST} is not that of a bundle")
    if found.get("format") != FORMAT:
        raise FileRefused(
            f"{path}: format {found.get('format')!r}, this version reads {FORMAT}", mend="Use the version that wrote it"
        )
    return found


def _listed(path: Path, manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    files = manifest.get("files")
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise _refused(path, f"{MANIFEST} lists no files")
    try:
        found = {str(each["path"]): {"size": int(each["size"]), "digest": str(each["digest"])} for each in files}
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(path, f"{MANIFEST} does not list its files") from error
    if len(found) != len(files) or any(not 0 <= each["size"] <= MOST_BYTES for each in found.values()):  # type: ignore[operator] # an int, see above
        raise _refused(path, f"{MANIFEST} lists a file twice, or one of an impossible size")
    return dict(found)


def _write(
    path: Path, member: tarfile.TarInfo, content: IO[bytes], told: Mapping[str, Any] | None, folder: Path
) -> None:
    if told is None:
        raise _refused(path, f"{member.name} is there twice, or not listed in {MANIFEST}")
    if member.size != told["size"]:
        raise _refused(path, f"{member.name} has {member.size:,} bytes, {MANIFEST} says {told['size']:,}")
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    state, left = blake2b(digest_size=32), member.size
    with target.open("xb") as file:
        while left and (piece := content.read(min(_PIECE, left))):
            left -= len(piece)
            state.update(piece)
            file.write(piece)
    if left:
        raise _refused(path, f"{member.name} is cut off")
    if state.hexdigest() != told["digest"]:
        raise _refused(path, f"{member.name} is damaged: its digest is not the one in {MANIFEST}")


def _refused(path: Path, what: str) -> FileRefused:
    return FileRefused(f"{path}: {what}", mend="Copy it again, or export it anew")
