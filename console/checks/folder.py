"""The data directory: there, ours, private, and with room to grow."""

import os
import tempfile
from pathlib import Path

from agents.health import places
from agents.health.places import existing
from agents.health.surroundings import keys

from .finding import OTHER, UNAVAILABLE, Finding, fail, finding_of, ok, warn
from .scene import Scene

DATA_DIR, PERMISSIONS, DISK = "data-dir", places.PERMISSIONS, places.DISK


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
    """Whether others on this machine can read or change what is kept, or read a key."""
    return finding_of(places.permissions(scene.data_dir, keys(scene.settings)), OTHER)


def disk(scene: Scene) -> Finding:
    """Whether the disk has room: when it is full the log cannot grow, and sources stop."""
    return finding_of(places.disk(scene.data_dir, scene.limits.free_bytes, scene.limits.free_share))
