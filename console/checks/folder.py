"""The data directory: there, ours, private, and with room to grow."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from .finding import UNAVAILABLE, Finding, fail, ok, skip, warn
from .scene import Scene

DATA_DIR = "data-dir"
PERMISSIONS = "permissions"
DISK = "disk"


def data_dir(scene: Scene) -> Finding:
    """Whether we can write where everything is kept."""
    folder = scene.data_dir.absolute()
    if not folder.exists():
        above = existing(folder)
        if os.access(above, os.W_OK | os.X_OK):
            return ok(DATA_DIR, f"{folder} is not there yet; it is made at the first start")
        return _refused(f"{folder} is not there, and {above} cannot be written", above)
    if not folder.is_dir():
        return fail(DATA_DIR, f"{folder} is not a folder", "A file has its name", "Choose another --data-dir")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"tocsin doctor")
    except OSError as error:
        return _refused(f"{folder} cannot be written: {error.strerror}", folder)
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        return warn(
            DATA_DIR,
            f"{folder} belongs to user {owner}, this is user {os.geteuid()}",
            "Tocsin was started as another user before: what one writes the other may not read",
            f"Start it as user {owner}, or: chown -R {os.geteuid()} {folder}",
        )
    return ok(DATA_DIR, f"{folder} can be written")


def _refused(found: str, folder: Path) -> Finding:
    return fail(
        DATA_DIR,
        found,
        f"The folder belongs to user {folder.stat().st_uid} and this is user {os.geteuid()}, or its disk is read-only",
        f"chown {os.geteuid()} {folder}, or choose another --data-dir",
        UNAVAILABLE,
    )


def permissions(scene: Scene) -> Finding:
    """Whether others on this machine can read or change what is kept."""
    folder = scene.data_dir.absolute()
    if not folder.is_dir():
        return skip(PERMISSIONS, f"{folder} is not there yet")
    mode = stat.S_IMODE(folder.stat().st_mode)
    mend = f"chmod 700 {folder}"
    if mode & stat.S_IWOTH:
        return fail(PERMISSIONS, f"{folder} has mode {mode:o}", "Everybody here can change the log and models", mend)
    if mode & (stat.S_IROTH | stat.S_IXOTH):
        return warn(PERMISSIONS, f"{folder} has mode {mode:o}", "Everybody here can read the log and models", mend)
    return ok(PERMISSIONS, f"{folder} has mode {mode:o}")


def disk(scene: Scene) -> Finding:
    """Whether the disk has room: when it is full the log cannot grow, and sources stop."""
    folder = existing(scene.data_dir.absolute())
    usage = shutil.disk_usage(folder)
    found = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB free at {folder}"
    if usage.free < scene.limits.free_bytes or usage.free < scene.limits.free_share * usage.total:
        return warn(
            DISK,
            found,
            "When the disk is full the log cannot grow, and sources wait",
            f"Free space (du -xh {folder} | sort -h | tail), or move --data-dir to a larger disk",
        )
    return ok(DISK, found)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
