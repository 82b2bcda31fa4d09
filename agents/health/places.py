"""Where everything is kept: room, and who else can read it."""

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from .finding import Health, broken, ill, skipped, well

DISK, PERMISSIONS = "disk", "permissions"
FREE_SHARE, FREE_BYTES = 0.05, 1_000_000_000
#: A disk can be full of files before it is full of bytes.
_FREE_FILES = 1_000
#: Entries of the data directory that are named.
_NAMED = 5


def disk(folder: Path, free_bytes: int = FREE_BYTES, free_share: float = FREE_SHARE) -> Health:
    """Whether a disk has room: when it is full the log cannot grow, and sources stop. Blocks."""
    place = existing(folder.absolute())
    usage, files = shutil.disk_usage(place), os.statvfs(place)
    found = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB free at {place}"
    due_to = "When the disk is full the log cannot grow, and sources wait"
    if usage.free < free_bytes or usage.free < free_share * usage.total:
        mend = f"Free space (du -xh {place} | sort -h | tail), or move --data-dir to a larger disk"
        return ill(DISK, found, due_to, mend)
    # Some file systems have no fixed number of files, and say 0 of 0.
    if files.f_files and files.f_favail < _FREE_FILES:
        mend = f"Delete files (du -x --inodes {place} | sort -n | tail), or move --data-dir to another disk"
        return ill(DISK, f"{files.f_favail:,} of {files.f_files:,} files free at {place}", due_to, mend)
    return well(DISK, found)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))


def permissions(data_dir: Path, private: Iterable[Path] = ()) -> Health:
    """Whether others on this machine can read or change what is kept; ``private`` are files elsewhere. Blocks."""
    folder = data_dir.absolute()
    if open_to_others := [path for path in private if _others(path)]:
        path = open_to_others[0]
        due_to = "It holds a key, which others may have read; meanwhile it is not used"
        found = f"{path} has mode {_mode(path):o}"
        return broken(PERMISSIONS, found, due_to, f"chmod 600 {path}, and make a new key: tocsin models key")
    if not folder.is_dir():
        return skipped(PERMISSIONS, f"{folder} is not there yet")
    mode, found = _mode(folder), f"{folder} has mode {_mode(folder):o}"
    if mode & stat.S_IWOTH:
        return broken(PERMISSIONS, found, "Everybody here can change the log and models", f"chmod 700 {folder}")
    if mode & (stat.S_IROTH | stat.S_IXOTH):
        return ill(PERMISSIONS, found, "Everybody here can read the log and models", f"chmod 700 {folder}")
    user = folder.stat().st_uid
    strange = sorted(path for path in folder.iterdir() if _owner(path, user) != user)
    if strange:
        some = ", ".join(path.name for path in strange[:_NAMED])
        due_to = (
            "A command was once run as another user, as with sudo: what it wrote the service may not read or change"
        )
        return ill(PERMISSIONS, f"not of user {user} in {folder}: {some}", due_to, f"chown -R {user} {folder}")
    return well(PERMISSIONS, found)


def _owner(path: Path, unknown: int) -> int:
    try:
        return path.lstat().st_uid
    except OSError:
        return unknown  # gone in the meantime


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _others(path: Path) -> bool:
    return path.is_file() and bool(_mode(path) & 0o077)
