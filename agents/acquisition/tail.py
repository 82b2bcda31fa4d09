"""Keeps hold of a growing file through truncation and rotation."""

import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from contracts.errors import Unavailable
from contracts.readings import Readings, Verdict

from ..parts import Harvest
from .catalog import Catalog
from .fields import Malformed, Unclosed, split
from .headers import SAMPLE_BYTES, default_asset, parse_header
from .pieces import Piece
from .records import Records
from .table import Table
from .tablesource import harvests_of

if TYPE_CHECKING:
    from .follow import Follow

HEAD_BYTES = 1024
#: A longer header is not kept in ``resume``, but read again from the file.
MAX_KEPT_HEADER = 8192
#: Positions that are left out when nobody knows how many rows of a file were read before it was gone.
LOST_ROWS = 1_000_000_000
_MARK = b"\xef\xbb\xbf"

log = structlog.get_logger(__name__)


class Tail:
    """Reads what a file holds beyond the place that was read last."""

    def __init__(self, source: "Follow", name: str, state: dict[str, Any] | None) -> None:
        self._source = source
        self._path = source.path
        self._state = state
        self._manner = source.manner(name, default_asset(source.path))
        self._row = 0 if state is None else state["row"] + 1
        self._table: Table | None = None
        self._header = b""
        self._delimiter = ""
        self._fault: Readings | None = None
        # Of the content that is open now:
        self._fd = -1
        self._seen = 0
        self._head = (0, "")
        self._line: bytes | None = None
        self._ready = False
        self._last = False
        self._announced = False

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def poll(self) -> list[Harvest] | None:
        """What is new; None when nothing is; an empty list: look again at once."""
        if self._fd < 0 and not self._open():
            return None
        if not self._last and self._truncated():
            log.warning("file was truncated: reading it from the beginning", file=str(self._path))
            self._begin(self._fd)
        if not self._ready and not self._read_header():
            return self._next_file()
        assert self._table is not None  # noqa: S101 - a header was read
        layout = self._table.layout
        rows = self._records.rows(len(layout.header), self._delimiter, layout.used, self._row)
        if rows is None:
            return self._next_file()
        fault, self._fault = self._fault, None
        found = list(harvests_of(self._source, self._table, rows, self._said(), fault))
        self._row += rows.count
        return found

    def _said(self) -> dict[str, Any]:
        """What ``resume`` says of the file beside the place in it."""
        assert self._table is not None  # noqa: S101 - rows were read
        header = self._header.decode() if len(self._header) <= MAX_KEPT_HEADER else None
        return {
            "v": 1,
            "inode": os.fstat(self._fd).st_ino,
            "head_bytes": self._head[0],
            "head": self._head[1],
            "header": header,
            "delimiter": self._delimiter,
            "text": self._table.layout.text_columns,
        }

    # ------------------------------------------------------------ one content after the other

    def _open(self) -> bool:
        """Open the file that was read last, or else the one that is there now."""
        if self._state is not None and self._take_up(self._state):
            self._state = None
            return True
        fd = _opened(self._path)
        if fd is None:
            if not self._announced:
                log.info("waiting for a file", file=str(self._path))
            self._announced = True
            return False
        if self._state is not None:
            log.warning(
                "the file that was read last is gone: rows that were written to it since then are lost",
                file=str(self._path),
                row=self._state["row"],
            )
            # The log may have more rows of the old file than ``resume`` says: theirs are not the next positions.
            self._row += LOST_ROWS
            self._recall(self._state, b"")
            self._state = None
        self._begin(fd)
        return True

    def _take_up(self, state: dict[str, Any]) -> bool:
        """Go on in the file that ``resume`` speaks of, even if it was rotated away."""
        for path in [self._path, *sorted(self._path.parent.glob(f"{self._path.name}*"))]:
            fd = _opened(path)
            if fd is None:
                continue
            stat = os.fstat(fd)
            known = state["head_bytes"]
            if stat.st_ino == state["inode"] and stat.st_size >= state["place"] and _digest(fd, known) == state["head"]:
                self._fd, self._head = fd, (known, state["head"])
                self._recall(state, Records(self._read_from(0), growing=True).line() or b"")
                self._records = Records(self._read_from(state["place"]), state["place"], growing=True)
                self._ready = True
                return True
            os.close(fd)
        return False

    def _recall(self, state: dict[str, Any], first_line: bytes) -> None:
        header = first_line.removeprefix(_MARK) if state["header"] is None else state["header"].encode()
        if header:
            self._take_header(header, Piece(b"", False, 0), state["delimiter"], state["text"])
        if self._table is not None:
            self._table.recall(state["time"], state["keys"] or ())

    def _begin(self, fd: int) -> None:
        """Read a file from its beginning."""
        self._fd, self._head = fd, (0, "")
        self._records = Records(self._read_from(0), growing=True)
        self._line, self._ready, self._last = None, False, False

    def _read_from(self, place: int) -> Any:
        self._seen = place

        def read(size: int) -> bytes:
            data = os.pread(self._fd, size, self._seen)
            self._seen += len(data)
            if self._head[0] < HEAD_BYTES and self._seen > self._head[0]:
                known = min(HEAD_BYTES, self._seen)
                self._head = known, _digest(self._fd, known)
            return data

        return read

    def _truncated(self) -> bool:
        known, digest = self._head
        return os.fstat(self._fd).st_size < self._seen or (known > 0 and _digest(self._fd, known) != digest)

    def _next_file(self) -> list[Harvest] | None:
        """Nothing more is in this file for now: go on to the next when there is one."""
        try:
            if self._path.stat().st_ino == os.fstat(self._fd).st_ino:
                return None
        except FileNotFoundError:
            return None
        if not self._last:
            # The old file gets no more lines, so what is left in it is its last one.
            self._records.finish()
            self._last = True
            return []
        fd = _opened(self._path)
        if fd is None:
            return None
        log.info("file was rotated", file=str(self._path))
        self.close()
        self._begin(fd)
        return []

    # ------------------------------------------------------------ headers

    def _read_header(self) -> bool:
        """Whether the columns are known, from the first line or from before."""
        if self._line is None:
            self._line = self._records.line()
            if self._line is None:
                return False
        line = self._line.removeprefix(_MARK)
        if self._table is not None and self._is_row(line):
            self._records = Records(self._read_from(0), growing=not self._last)
        elif self._table is not None and line == self._header:
            self._row += 1
        else:
            sample = self._records.ahead(SAMPLE_BYTES)
            if not sample.lines and not self._last:
                return False
            self._take_header(line, sample, self._source.delimiter or "", None)
            assert self._table is not None  # noqa: S101 - made just now
            self._fault = self._table.header_fault(self._row)
            self._row += 1
        self._ready = True
        return True

    def _take_header(self, line: bytes, sample: Piece, delimiter: str, text_columns: list[str] | None) -> None:
        source = self._source
        layout, self._delimiter = parse_header(line, sample, source, delimiter or None, str(self._path), text_columns)
        self._header = line
        catalog = Catalog(source.max_series, max(len(layout.values), 1))
        table = Table(layout, self._manner, catalog)
        if self._table is not None:
            table.recall(self._table.last_time, ())
        self._table = table

    def _is_row(self, line: bytes) -> bool:
        """Whether a first line is a row already, of the columns from before."""
        assert self._table is not None  # noqa: S101 - asked for a known table only
        layout = self._table.layout
        try:
            fields = split(line.decode(), self._delimiter)
        except (UnicodeDecodeError, Malformed, Unclosed):
            return False
        if len(fields) != len(layout.header):
            return False
        verdict = self._manner.times.one(fields[layout.time])[1]
        return verdict in (Verdict.OK, Verdict.NAIVE_TIME)


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}", mend="check the path and its permissions") from error


def _digest(fd: int, size: int) -> str:
    return blake2b(os.pread(fd, size, 0), digest_size=16).hexdigest()
