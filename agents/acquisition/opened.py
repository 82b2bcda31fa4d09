"""A file as a stream of UTF-8 bytes, whatever it is packed in: plain, gzip, with a byte order mark, UTF-16."""

import codecs
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from contracts.errors import Unavailable

HEAD_BYTES = 64 * 1024
_READ = 256 * 1024
_GZIP = b"\x1f\x8b"
#: Below this much output no ratio is suspicious.
_RATIO_FROM = 16 * 1024 * 1024


@dataclass(frozen=True)
class Fingerprint:
    """What tells a file from a changed one without reading all of it."""

    size: int
    mtime_ns: int
    head: str

    @classmethod
    def of(cls, file: BinaryIO) -> "Fingerprint":
        """Of an open file; leaves its place alone."""
        stat = os.fstat(file.fileno())
        head = os.pread(file.fileno(), HEAD_BYTES, 0)
        return cls(stat.st_size, stat.st_mtime_ns, blake2b(head, digest_size=16).hexdigest())

    def require(self, found: "Fingerprint", path: Path, row: int) -> None:
        """Raise Unavailable when a file is not the one that was read so far."""
        if self.size != found.size:
            difference = f"it had {self.size:,} bytes and has {found.size:,}"
        elif self.head != found.head:
            difference = f"the digest of its beginning was {self.head[:12]} and is {found.head[:12]}"
        elif self.mtime_ns != found.mtime_ns:
            difference = "it was written again"
        else:
            return
        raise Unavailable(
            f"{path} changed after {row:,} rows of it were read: {difference}",
            mend="put the old file back, give the source another name to read the new one from the beginning, "
            "or use kind: follow for a file that grows",
        )


class Opened:
    """An open file that gives UTF-8.

    ``direct`` says whether a place in the UTF-8 is a place in the file, so that reading can go on there.
    """

    def __init__(self, path: Path, max_ratio: float, max_bytes: int) -> None:
        try:
            self.file: BinaryIO = path.open("rb")
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}", mend="check the path and its permissions") from error
        self.path = path
        self.direct = True
        #: Where the text begins in a ``direct`` file: behind a byte order mark.
        self.begin = 0
        try:
            self._read = self._unpacked(max_ratio, max_bytes)
        except BaseException:
            self.file.close()
            raise

    def read(self, size: int) -> bytes:
        """At most about ``size`` bytes; empty at the end."""
        try:
            return self._read(size)
        except OSError as error:
            raise Unavailable(f"{self.path}: {error.strerror}", mend="check the disk") from error

    def seek(self, place: int) -> None:
        """Go on at a place of a ``direct`` file."""
        self.file.seek(place)

    def close(self) -> None:
        self.file.close()

    def _unpacked(self, max_ratio: float, max_bytes: int) -> Callable[[int], bytes]:
        read: Callable[[int], bytes] = self.file.read
        if os.pread(self.file.fileno(), 2, 0) == _GZIP:
            self.direct = False
            read = Gunzip(self.file, self.path, max_ratio, max_bytes).read
        return self._decoded(read)

    def _decoded(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        head = read(4)
        for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
            if head.startswith(mark):
                self.direct = False
                return _Transcoded(read, name, head[len(mark) :]).read
        if b"\0" in head:
            raise Unavailable(
                f"{self.path}: holds NUL characters; is it UTF-16 without a byte order mark?",
                mend="convert it to UTF-8",
            )
        if self.direct:
            self.begin = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
            self.file.seek(self.begin)
            return read
        pending = [head.removeprefix(codecs.BOM_UTF8)]
        return lambda size: pending.pop() if pending and pending[0] else read(size)


class Gunzip:
    """Inflates a gzip file piece by piece, and stops at sizes that no table has."""

    def __init__(self, file: BinaryIO, path: Path, max_ratio: float, max_bytes: int) -> None:
        self._file, self._path = file, path
        self._max_ratio, self._max_bytes = max_ratio, max_bytes
        self._inflate = zlib.decompressobj(wbits=31)
        self._taken = self._given = 0
        self._carry, self._ended = b"", False
        size = os.fstat(file.fileno()).st_size
        declared = int.from_bytes(os.pread(file.fileno(), 4, max(size - 4, 0)), "little")
        # The last four bytes say how large the last member gets (modulo 4 GiB): refuse before inflating anything.
        # Deflate cannot do more than 1032 to 1, so a larger number is not that size: the file was cut.
        if declared <= 1032 * size:
            self._check(declared, size)

    def read(self, size: int) -> bytes:
        """Some bytes, at most ``size``; empty at the end."""
        while not self._ended:
            if self._inflate.eof and not self._next_member():
                break
            data = self._inflate.unconsumed_tail or self._take()
            try:
                out = self._inflate.decompress(data, size)
            except zlib.error as error:
                raise self._broken(str(error)) from error
            self._given += len(out)
            self._check(self._given, self._taken)
            if out:
                return out
            if not data and not self._inflate.eof:
                raise self._broken("it ends too early")
        return b""

    def _next_member(self) -> bool:
        """Whether more follows the end of a member; zeros may, and mean nothing."""
        rest = self._inflate.unused_data
        while not rest.lstrip(b"\0"):
            rest = self._take()
            if not rest:
                self._ended = True
                return False
        self._inflate = zlib.decompressobj(wbits=31)
        self._carry = rest.lstrip(b"\0")
        return True

    def _take(self) -> bytes:
        if self._carry:
            data, self._carry = self._carry, b""
            return data
        data = self._file.read(_READ)
        self._taken += len(data)
        return data

    def _check(self, given: int, taken: int) -> None:
        if given > self._max_bytes or (given > _RATIO_FROM and given > self._max_ratio * taken):
            raise Unavailable(
                f"{self._path}: {taken:,} bytes of gzip hold {given:,} or more",
                mend="if that is right, raise max_ratio or max_inflated_bytes",
            )

    def _broken(self, cause: str) -> Unavailable:
        return Unavailable(f"{self._path}: broken gzip after {self._given:,} bytes: {cause}", mend="copy it again")


class _Transcoded:
    """UTF-16 as UTF-8. Half characters become bytes that are no UTF-8, so that only their row is refused."""

    def __init__(self, read: Callable[[int], bytes], name: str, pending: bytes) -> None:
        self._read, self._pending = read, pending
        self._decoder = codecs.getincrementaldecoder(name)("surrogatepass")

    def read(self, size: int) -> bytes:
        while True:
            data = self._pending or self._read(size)
            self._pending = b""
            if not data:
                # An odd byte at the very end: like a line that was cut.
                left = self._decoder.getstate()[0]
                self._decoder.reset()
                return b"\xff" if left else b""
            if text := self._decoder.decode(data):
                return text.encode("utf-8", "surrogatepass")
