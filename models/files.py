"""The files of a bundle: safe names, bounded sizes, and a digest over every byte of every file.

A bundle's digest is taken over the sorted list of (path, size, digest) of its files. ``digests.json`` is
exactly that list in one canonical spelling, so that no byte of it can change without being noticed either.
``signature.json`` may stand beside them and is not among them: signing a bundle does not make it another one.
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from contracts.errors import BundleRefused, Denied, Unavailable

MANIFEST, ARRAYS, DIGESTS, SIGNATURE = "manifest.json", "arrays.safetensors", "digests.json", "signature.json"
#: The exact files of a bundle, without ``digests.json`` and the signature that it may have.
FILES = (ARRAYS, MANIFEST)
MAX_BYTES: Mapping[str, int] = {MANIFEST: 1 << 20, ARRAYS: 256 << 20, DIGESTS: 64 << 10, SIGNATURE: 4 << 10}
MAX_NAME = 300
#: As long as a name that somebody may wish to forge needs; ids in the log make do with half.
DIGEST_BYTES = 32


@dataclass(frozen=True)
class Entry:
    """One file as ``digests.json`` lists it."""

    path: str
    size: int
    digest: str


def content_digest(data: bytes) -> str:
    """BLAKE2b of the bytes, 64 hex digits."""
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def canonical(data: Any) -> bytes:
    """The one spelling of plain data as JSON; raises ValueError for NaN and infinities."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def is_digest(text: str) -> bool:
    """Whether ``text`` can be the digest of a bundle."""
    return len(text) == 2 * DIGEST_BYTES and set(text) <= set("0123456789abcdef")


def listing(files: Mapping[str, bytes]) -> bytes:
    """The content of ``digests.json`` for these files."""
    entries = [Entry(path, len(data), content_digest(data)) for path, data in sorted(files.items())]
    return canonical([vars(entry) for entry in entries])


def bundle_digest(files: Mapping[str, bytes]) -> str:
    """The digest that names a bundle of these files."""
    return content_digest(listing({path: data for path, data in files.items() if path not in (DIGESTS, SIGNATURE)}))


def check_name(path: str) -> None:
    """Refuse a name that could lead out of its folder, or mean another file elsewhere.

    Raises BundleRefused. Called before anything of that name is written.
    """
    problem = _problem(path)
    if problem:
        shown = path if len(path) <= 80 else f"{path[:77]}..."
        raise BundleRefused(f"unsafe file name {shown!r}: {problem}", kind="unsafe file")


def _problem(path: str) -> str:
    parts = path.split("/")
    rules = (
        (not path, "it is empty"),
        (len(path) > MAX_NAME, f"{len(path)} characters, the limit is {MAX_NAME}"),
        ("\0" in path, "it holds a NUL"),
        ("\\" in path, "it holds a backslash"),
        # A server may decode it once more than we do, and then it is a dot, a slash or a NUL.
        ("%" in path, "it holds a percent escape"),
        (path.startswith("/") or path[1:2] == ":", "it is absolute"),
        (any(part in ("", ".", "..") for part in parts), "it leads elsewhere"),
        (not path.isascii() or not path.isprintable(), "it holds a character that is not plain text"),
    )
    return next((text for broken, text in rules if broken), "")


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Refuse declared sizes over the limit, before anything is read or fetched.

    Raises BundleRefused.
    """
    for path, size in sizes.items():
        limit = MAX_BYTES.get(path)
        if limit is not None and size > limit:
            raise BundleRefused(f"{path} is {size:,} bytes, the size limit is {limit:,}", kind="too large")


def check_set(
    found: Iterable[str], expected: Iterable[str] = (*FILES, DIGESTS), optional: Iterable[str] = (SIGNATURE,)
) -> None:
    """Refuse any file too many or too few.

    Raises BundleRefused; missing and unexpected files have messages of their own.
    """
    there, wanted = set(found), set(expected)
    for path in sorted(there):
        check_name(path)
    if missing := sorted(wanted - there):
        raise BundleRefused(f"missing file: {', '.join(missing)}", kind="missing file")
    if extra := sorted(there - wanted - set(optional)):
        raise BundleRefused(f"unexpected file: {', '.join(map(repr, extra))}", kind="unexpected file")


def read_verified(folder: Path, expected: str | None = None) -> dict[str, bytes]:
    """The files of the bundle in ``folder``, read once and verified; ``expected`` is the digest it must have.

    Raises BundleRefused naming the cause, Denied without permission, or Unavailable when the disk is at fault.
    """
    try:
        sizes = _sizes(folder)
        check_set(sizes)
        check_sizes(sizes)
        files = {path: _read(folder / path, size) for path, size in sizes.items()}
    except OSError as error:
        raise unreadable(f"bundle {folder}: cannot be read", error) from error
    except BundleRefused as error:
        raise error.within(f"bundle {folder}") from None
    try:
        check_contents(files, expected)
    except BundleRefused as error:
        raise error.within(f"bundle {folder}") from None
    return files


def unreadable(what: str, error: OSError) -> Unavailable:
    """The error for what the operating system refused to do, with its words for it."""
    kind = Denied if isinstance(error, PermissionError) else Unavailable
    return kind(f"{what}: {error.strerror or error}")


def check_contents(files: Mapping[str, bytes], expected: str | None = None) -> None:
    """Check every byte against ``digests.json``, and that against ``expected``.

    Raises BundleRefused naming the file.
    """
    entries = _entries(files[DIGESTS])
    check_set([*(entry.path for entry in entries), DIGESTS], optional=())
    check_sizes({entry.path: entry.size for entry in entries})
    for entry in entries:
        data = files[entry.path]
        if len(data) != entry.size:
            raise BundleRefused(f"{entry.path} is {len(data):,} bytes, {DIGESTS} says {entry.size:,}", kind="digest")
        if content_digest(data) != entry.digest:
            raise BundleRefused(f"digest of {entry.path} differs from {DIGESTS}: its bytes were changed", kind="digest")
    found = bundle_digest(files)
    if expected is not None and found != expected:
        raise BundleRefused(f"digest of the bundle is {found}, expected {expected}", kind="digest")


def _entries(data: bytes) -> list[Entry]:
    try:
        rows = json.loads(data)
        entries = [Entry(str(row["path"]), int(row["size"]), str(row["digest"])) for row in rows]
        same = canonical([vars(entry) for entry in entries]) == data
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise BundleRefused(f"{DIGESTS} is not a list of files: {type(error).__name__}", kind="digest") from error
    if not same:
        raise BundleRefused(f"{DIGESTS} is not in its canonical spelling: its bytes were changed", kind="digest")
    return entries


def _sizes(folder: Path) -> dict[str, int]:
    """Name and size of everything in the folder; nothing is opened, no link is followed."""
    sizes = {}
    try:
        items = sorted(os.scandir(folder), key=lambda item: item.name)
    except FileNotFoundError:
        raise BundleRefused("missing folder", kind="missing file") from None
    for item in items:
        status = item.stat(follow_symlinks=False)
        check_name(item.name)
        if stat.S_ISLNK(status.st_mode):
            raise BundleRefused(f"unsafe file {item.name!r}: it is a symbolic link", kind="unsafe file")
        if not stat.S_ISREG(status.st_mode):
            raise BundleRefused(f"unexpected file: {item.name!r} is not a plain file", kind="unexpected file")
        sizes[item.name] = status.st_size
    return sizes


def _read(path: Path, size: int) -> bytes:
    """As many bytes as were announced; a link or pipe put there since is neither followed nor waited for."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise BundleRefused(f"unexpected file: {path.name!r} is not a plain file", kind="unexpected file")
        data = file.read(size + 1)
    if len(data) != size:
        raise BundleRefused(f"{path.name} changed its size while it was read", kind="digest")
    return data


def write_all(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files into a new or empty folder and have them on disk before this returns.

    Raises BundleRefused for an unsafe name before any write, FileExistsError when the folder is not empty.
    """
    for path in files:
        check_name(path)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    for path, data in files.items():
        with (folder / path).open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    sync(folder)


def sync(folder: Path) -> None:
    """Have the names in a folder on disk, not only the bytes of its files."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems cannot; the digest is checked at every read anyway.
        with suppress(OSError):
            os.fsync(number)
    finally:
        os.close(number)
