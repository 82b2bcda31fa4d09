"""Files that MLflow keeps: fetched by name, compared with what was listed, never trusted."""

import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from contracts.errors import BundleRefused

from .files import check_name, check_set, check_sizes, unreadable
from .tracking import Missing, Tracking


def fetch(tracking: Tracking, uri: str, scratch: Path) -> dict[str, bytes]:
    """The files of the bundle under an artifact URI; nothing is written before all names and sizes are checked.

    MLflow calls an empty folder a download: what is missing there is found here.
    Raises BundleRefused for files missing, unexpected, unsafe or too large, and Unavailable.
    """
    sizes = listed(tracking, uri)
    if not sizes:
        mend = "They were never uploaded; publish it again."
        raise BundleRefused(f"files missing: {uri} holds none", kind="missing file", mend=mend)
    check_set(sizes)
    check_sizes(sizes)
    return download(tracking, uri, sizes, scratch)


def listed(tracking: Tracking, uri: str) -> dict[str, int]:
    """Name and announced size of every file directly under an artifact URI.

    Raises BundleRefused for an unsafe name or a folder, and Unavailable.
    """
    repository = tracking.repository(uri)
    try:
        found = tracking.ask(f"list {uri}", repository.list_artifacts)
    except Missing:
        return {}
    sizes = {}
    for item in found:
        name = str(item.path)
        check_name(name)
        if item.is_dir:
            raise BundleRefused(f"unexpected file: {name!r} is a folder", kind="unexpected file")
        sizes[name] = int(item.file_size or 0)
    return sizes


def download(tracking: Tracking, uri: str, sizes: Mapping[str, int], scratch: Path) -> dict[str, bytes]:
    """The bytes of these files, by way of a folder under ``scratch`` that is gone afterwards.

    Raises BundleRefused when a file is not the one that was listed, and Unavailable.
    """
    repository = tracking.repository(uri)
    files = {}
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=scratch) as folder:
            for name, size in sizes.items():
                files[name] = _download(tracking, repository.download_artifacts, name, size, Path(folder))
    except OSError as error:
        raise unreadable(f"{scratch}: cannot be written", error) from error
    return files


def _download(tracking: Tracking, call: Callable[..., str], name: str, size: int, folder: Path) -> bytes:
    try:
        tracking.ask(f"download {name}", call, name, str(folder))
    except Missing as error:
        raise BundleRefused(f"files missing: {name} was listed and is not there", kind="missing file") from error
    status = os.lstat(folder / name)
    if not stat.S_ISREG(status.st_mode) or status.st_size != size:
        told = f"{name} is {status.st_size:,} bytes once downloaded, {size:,} were listed"
        raise BundleRefused(told, kind="digest")
    return (folder / name).read_bytes()
