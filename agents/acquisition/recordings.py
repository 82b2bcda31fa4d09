"""The recordings of a folder: which files, in which order, and when each of them begins."""

import re
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from contracts.errors import Unavailable
from contracts.instants import SECOND

#: What is taken for a recording, by its name; what it really is, its first bytes say.
SUFFIXES = (".wav", ".flac", ".npy")
_TIME = re.compile(
    r"(?<!\d)(\d{4})[-_.]?(\d\d)[-_.]?(\d\d)[-_.T ]?(\d\d)[-_.:h]?(\d\d)(?:[-_.:m]?(\d\d))?(?!\d)", re.ASCII
)
_NUMBER = re.compile(r"(\d+)", re.ASCII)


def recordings(folder: Path) -> list[Path]:
    """The recordings of a folder by name; of two names that differ in a number, the smaller number comes first.

    Raises Unavailable when there is none.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    except OSError as error:
        raise Unavailable(f"{folder}: {error.strerror}", mend="check the path and its permissions") from error
    if not found:
        raise Unavailable(f"{folder}: no recording in it", mend=f"they end in {', '.join(SUFFIXES)}")
    return sorted(found, key=_by_number)


def named_time(path: Path, zone: tzinfo = UTC) -> int | None:
    """The time that stands in a file's name, in ns: ``pump 2026-11-21 06.30.00.wav``; None when there is none."""
    for found in _TIME.finditer(path.stem):
        numbers = [int(text or 0) for text in found.groups()]
        try:
            moment = datetime(*numbers[:6], tzinfo=zone)  # type: ignore[misc, arg-type]  # six of them
        except ValueError:
            continue
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * SECOND
    return None


def _by_number(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = _NUMBER.split(path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part], path.name
