"""Cuts a stream of bytes into rows of fields, in bounded memory."""

from collections.abc import Callable, Sequence

from .pieces import MAX_LINE, Piece, too_long
from .rows import Rows, rows_of

CHUNK = 1024 * 1024
SMALL = 32 * 1024
_SHOWN = 1024


class Records:
    """Reads rows from ``read``; ``place`` is where its first byte stands in the input.

    With ``growing`` the end of the input is not the end of the last line: more may come.
    """

    def __init__(
        self, read: Callable[[int], bytes], place: int = 0, *, growing: bool = False, fast: bool = True
    ) -> None:
        #: Where the next row begins in the input.
        self.place = place
        self._read = read
        self._growing = growing
        self._fast = fast
        self._buffer = b""
        self._ended = False
        self._odd_until = -1
        self._skipped = 0
        self._over = b""

    def line(self) -> bytes | None:
        """The next line without its end, or None when there is none (yet); for headers."""
        while b"\n" not in self._buffer and len(self._buffer) <= MAX_LINE and self._fill():
            pass
        end = self._buffer.find(b"\n")
        if end < 0 and (self._growing or not self._buffer):
            return None
        line = self._buffer if end < 0 else self._buffer[:end]
        self._drop(len(line) + (end >= 0))
        return line.removesuffix(b"\r")

    def ahead(self, size: int) -> Piece:
        """The whole lines among the next ``size`` bytes, without taking them."""
        while len(self._buffer) < size and self._fill():
            pass
        final = self._final and len(self._buffer) <= size
        head = self._buffer[:size]
        return Piece(head if final else head[: head.rfind(b"\n") + 1], final, self.place)

    def rows(self, width: int, delimiter: str, used: Sequence[int], first: int) -> Rows | None:
        """The next rows, or None when there are no more (yet)."""
        while True:
            if self._skipped:
                return self._rest_of_line(used, first)
            end = len(self._buffer) if self._final else self._buffer.rfind(b"\n") + 1
            if end:
                rows = self._taken_apart(end, width, delimiter, used, first)
                if rows is not None:
                    self._drop(int(rows.ends[-1]) - self.place)
                    return rows
            elif len(self._buffer) > MAX_LINE:
                self._over, self._skipped = self._buffer[:_SHOWN], len(self._buffer)
                self._drop(len(self._buffer))
                continue
            if not self._fill() and (self._growing or not self._buffer):
                return None

    def finish(self) -> None:
        """Nothing more will come: what is left is the last line."""
        self._growing = False

    def _taken_apart(self, end: int, width: int, delimiter: str, used: Sequence[int], first: int) -> Rows | None:
        """Rows from the first ``end`` bytes; None when a quote in them is still open.

        A piece with something odd in it is cut smaller, so that one bad row does not make thousands slow.
        """
        if self._fast and self.place >= self._odd_until:
            piece = Piece(self._buffer[:end], self._final, self.place)
            rows = piece.at_once(width, delimiter, used, first)
            if rows is not None:
                return rows
            self._odd_until = self.place + end
        if self._fast and end > SMALL:
            some = self._buffer.find(b"\n", SMALL) + 1
            if 0 < some < end:
                piece = Piece(self._buffer[:some], False, self.place)
                rows = piece.at_once(width, delimiter, used, first)
                rows = piece.one_by_one(width, delimiter, used, first) if rows is None else rows
                if rows.count:
                    return rows
        rows = Piece(self._buffer[:end], self._final, self.place).one_by_one(width, delimiter, used, first)
        return rows if rows.count else None

    @property
    def _final(self) -> bool:
        return self._ended and not self._growing

    def _fill(self) -> bool:
        data = self._read(CHUNK)
        self._buffer += data
        self._ended = not data
        return bool(data)

    def _drop(self, size: int) -> None:
        self._buffer = self._buffer[size:]
        self.place += size

    def _rest_of_line(self, used: Sequence[int], first: int) -> Rows | None:
        """Drop the rest of an endless line; the row that it is, once its end is seen."""
        while True:
            end = self._buffer.find(b"\n")
            length = len(self._buffer) if end < 0 else end
            self._skipped += length
            self._drop(length + (end >= 0))
            if end >= 0:
                break
            if not self._fill():
                if self._growing:
                    return None
                break
        problem = too_long(self._over, self._skipped)
        self._skipped, self._over = 0, b""
        return rows_of(first, [problem], [self.place], used)
