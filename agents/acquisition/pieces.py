"""Whole lines of a table, taken apart into rows.

A row is a line, or several when a quoted field holds line ends. Clean pieces are taken apart by Arrow, all at once;
a piece with anything odd in it is taken apart line by line. Both give the same rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import csv

from contracts.readings import Int64, Verdict

from .cells import note
from .fields import Malformed, Unclosed, split
from .rows import Problem, Rows, rows_of

MAX_LINE = 1024 * 1024
#: A quote that is not closed after so many more lines was none.
MAX_QUOTED_LINES = 64
_NEWLINE = ord("\n")

Row = list[str] | Problem | None


def too_long(head: bytes, length: int) -> Problem:
    """A line over the limit; ``head`` is its beginning."""
    return Problem(Verdict.TOO_LONG, note(f"a line of {length:,} bytes: {head[:400].decode('utf-8', 'replace')}"))


class Piece:
    """Lines that stand at ``place`` in the input; ``final`` when nothing follows them, not even a line end."""

    def __init__(self, data: bytes, final: bool, place: int) -> None:
        self._data = data
        self._final = final
        self._place = place
        stops = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE).astype(np.int64)
        if data and data[-1] != _NEWLINE:
            stops = np.append(stops, len(data))
        self._stops: Int64 = stops

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return len(self._stops)

    def at_once(self, width: int, delimiter: str, used: Sequence[int], first: int) -> Rows | None:
        """The rows, when every line is a row of plain fields; None when anything is odd."""
        columns = self._columns(width, delimiter, used) if len(self._stops) else None
        if columns is None:
            return None
        count = len(self._stops)
        ends = self._place + np.minimum(self._stops + 1, len(self._data))
        return Rows(first, count, np.arange(count), columns, {}, ends)

    def one_by_one(self, width: int, delimiter: str, used: Sequence[int], first: int) -> Rows:
        """The rows; without the last ones when their quotes are still open."""
        fields, ends = self.split(width, delimiter)
        return rows_of(first, fields, ends, used)

    def split(self, width: int, delimiter: str, limit: int | None = None) -> tuple[list[Row], list[int]]:
        """The fields of each row (None: a blank line) and where each row ends in the input."""
        rows: list[Row] = []
        ends: list[int] = []
        at = 0
        while at < len(self._stops) and (limit is None or len(rows) < limit):
            lines, row = self._row(at, width, delimiter)
            if not lines:
                break
            at += lines
            rows.append(row)
            ends.append(self._place + min(int(self._stops[at - 1]) + 1, len(self._data)))
        return rows, ends

    def _columns(self, width: int, delimiter: str, used: Sequence[int]) -> "Mapping[int, pa.Array] | None":
        """The columns of a piece in which every line is a row of plain fields; None when it is not such a piece."""
        data = self._data
        if b'"' in data or int(np.diff(self._stops, prepend=-1).max()) > MAX_LINE:
            return None
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
            if b"\r" in data:
                return None
        if data.startswith(b"\n") or b"\n\n" in data or not (data.isascii() or _is_utf8(data)):
            return None
        names = [str(column) for column in used]
        try:
            table = csv.read_csv(
                pa.BufferReader(data),
                csv.ReadOptions(
                    use_threads=False, block_size=len(data) + 1, column_names=[str(i) for i in range(width)]
                ),
                csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
                csv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=names,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != len(self._stops):
            return None
        return {column: table[str(column)].combine_chunks() for column in used}

    def _line(self, number: int) -> bytes:
        start = int(self._stops[number - 1]) + 1 if number else 0
        return self._data[start : int(self._stops[number])]

    def _row(self, at: int, width: int, delimiter: str) -> tuple[int, Row]:
        """How many lines the next row has, and its fields; no lines when its end is not there yet."""
        raw = self._line(at)
        if len(raw) > MAX_LINE:
            return 1, too_long(raw, len(raw))
        raw = raw.removesuffix(b"\r")
        if not raw:
            return 1, None
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return 1, Problem(Verdict.BAD_ENCODING, note(raw[:400].decode("utf-8", "backslashreplace")))
        try:
            fields = split(text, delimiter)
        except Malformed:
            return 1, _malformed("text behind a closing quote", text)
        except Unclosed:
            return self._quoted(at, text, width, delimiter)
        if len(fields) != width:
            return 1, _malformed(f"{len(fields)} fields instead of {width}", text)
        return 1, fields

    def _quoted(self, at: int, text: str, width: int, delimiter: str) -> tuple[int, Row]:
        """A row whose quoted field goes on in the next lines. If it does not fit, only its first line is lost."""
        parts = [self._line(at)]
        size = len(parts[0])
        for number in range(at + 1, at + 1 + MAX_QUOTED_LINES):
            if number >= len(self._stops):
                if self._final:
                    break
                return 0, None
            parts.append(self._line(number))
            size += len(parts[-1]) + 1
            if size > MAX_LINE:
                break
            if b'"' not in parts[-1]:
                continue
            try:
                fields = split(b"\n".join(parts).removesuffix(b"\r").decode(), delimiter)
            except Unclosed:
                continue
            except (Malformed, UnicodeDecodeError):
                break
            if len(fields) != width:
                break
            return len(parts), fields
        return 1, _malformed("a quote without its end", text)


def _malformed(cause: str, text: str) -> Problem:
    return Problem(Verdict.MALFORMED_ROW, note(f"{cause}: {text}"))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
