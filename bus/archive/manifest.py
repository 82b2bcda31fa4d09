"""The list of the segments of one place: a line is added when a file is there, so what is listed exists.

A file that is not listed is half of an archiving that was interrupted; the entries are still in the log, and the next
archiving removes it.
"""

import json
import os
from bisect import bisect_left
from pathlib import Path

from contracts.errors import CorruptEvent

from ..protocol import Place
from .disk import DRAFT, make, settle
from .segment import Segment

NAME = "manifest.jsonl"
_SUFFIX = ".parquet"


class Manifest:
    """The segments of one place, in order. Several processes may read it while one writes, under the place's lock."""

    def __init__(self, root: Path, place: Place) -> None:
        self.root, self.place = root, place
        self.folder = f"stream={place.stream}/partition={place.partition:04d}"
        self.path = root / self.folder / NAME
        self._seen = (0, 0, 0)
        self._segments: list[Segment] = []

    def segments(self) -> list[Segment]:
        """All segments that are listed now.

        Raises CorruptEvent when a line other than a torn last one cannot be read.
        """
        try:
            about = self.path.stat()
        except FileNotFoundError:
            self._seen, self._segments = (0, 0, 0), []
            return []
        seen = (about.st_ino, about.st_mtime_ns, about.st_size)
        if seen != self._seen:
            self._segments, self._seen = self._read(), seen
        return self._segments

    def _read(self) -> list[Segment]:
        found: dict[str, Segment] = {}
        data = self.path.read_bytes()
        for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
            try:
                told = json.loads(line)
                if "dropped" in told:
                    found.pop(told["dropped"], None)
                else:
                    segment = Segment.parse(self.place, told)
                    found[segment.file] = segment
            except (ValueError, TypeError) as error:
                raise CorruptEvent(
                    f"archive: {self.path}, line {number}: not a line of a manifest",
                    mend="Restore the file from a backup. Nothing of this stream is archived or trimmed meanwhile",
                ) from error
        return sorted(found.values(), key=lambda segment: segment.first)

    @property
    def end(self) -> int:
        """The last ordinal that is archived."""
        found = self.segments()
        return found[-1].last if found else 0

    def holding(self, first: int, last: int) -> list[Segment]:
        """The segments that hold any of the events ``first`` to ``last``."""
        found = self.segments()
        start = bisect_left(found, first, key=lambda segment: segment.last)
        stop = bisect_left(found, last + 1, key=lambda segment: segment.first)
        return found[start:stop]

    def add(self, segment: Segment) -> None:
        """List a segment whose file is there."""
        self._append(segment.line())

    def drop(self, segment: Segment) -> None:
        """Take a segment off the list, and then its file away."""
        self._append(json.dumps({"dropped": segment.file}).encode() + b"\n")
        (self.root / segment.file).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what an interrupted archiving left: drafts, and files behind the end that nobody listed."""
        listed = {segment.file for segment in self.segments()}
        for path in self.path.parent.glob("date=*/*"):
            if path.name.endswith(DRAFT) or (path.suffix == _SUFFIX and str(path.relative_to(self.root)) not in listed):
                path.unlink(missing_ok=True)

    def _append(self, line: bytes) -> None:
        make(self.path.parent)
        fresh = not self.path.exists()
        with self.path.open("ab") as file:
            whole = self._whole(file.tell())
            file.truncate(whole)
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                # A full disk may have taken half of the line.
                os.truncate(self.path, whole)
                raise
        if fresh:
            settle(self.path.parent)

    def _whole(self, size: int) -> int:
        """Where the last whole line ends: a crash may have torn the one after it."""
        data = self.path.read_bytes() if size else b""
        return data.rfind(b"\n") + 1
