"""The bytes of one stream entry. Its fields, as they stand in a Redis stream:

t   type and version, ``AnomalyDetected/1``
b   body: a JSON array of events; for readings a JSON object with the series and notes
c   columns: an Arrow IPC stream, for readings only
w   the task that wrote it
d   digest of all of these and of the number of events: Redis does not notice a flipped byte in its files, we do
x   trace context, where tracing is on; not in the digest
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from xxhash import xxh3_128, xxh3_128_digest

from .errors import CorruptEvent


@dataclass(slots=True)  # not frozen: that would make each of a million a second cost four times as much
class Frame:
    """The bytes of one stream entry; ``count`` events of one type are in it. Never changed once it is made."""

    type: str
    version: int
    count: int
    body: bytes
    columns: bytes
    writer: str
    digest: bytes
    trace: str = ""

    @property
    def size(self) -> int:
        return len(self.body) + len(self.columns)

    def fields(self) -> dict[bytes, bytes]:
        """As fields of a stream entry."""
        out = {b"t": self.tag, b"w": self.writer.encode(), b"b": self.body, b"d": self.digest}
        if self.columns:
            out[b"c"] = self.columns
        if self.trace:
            out[b"x"] = self.trace.encode()
        return out

    @property
    def tag(self) -> bytes:
        """Type and version as they are stored."""
        return f"{self.type}/{self.version}".encode()

    def sealed(self) -> "Frame":
        """The same frame with the digest of its bytes."""
        return replace(self, digest=digest_of(self.tag, self.writer.encode(), self.body, self.columns, self.count))

    @classmethod
    def parse(cls, fields: Mapping[bytes, bytes], count: int) -> "Frame":
        """From the fields of a stream entry that holds ``count`` events.

        Raises CorruptEvent when a field is missing or the digest does not match.
        """
        check(fields, count)
        try:
            kind, _, version = fields[b"t"].decode().partition("/")
            writer, trace = fields[b"w"].decode(), fields.get(b"x", b"").decode()
            return cls(kind, int(version), count, fields[b"b"], fields.get(b"c", b""), writer, fields[b"d"], trace)
        except ValueError as error:
            raise CorruptEvent(f"not a frame: {error}") from error


def check(fields: Mapping[bytes, bytes], count: int) -> None:
    """Compare the digest with the bytes. Raises CorruptEvent when it does not match, or a field is missing."""
    try:
        found = digest_of(fields[b"t"], fields[b"w"], fields[b"b"], fields.get(b"c", b""), count)
        if found == fields[b"d"]:
            return
    except KeyError as error:
        raise CorruptEvent(f"not a frame: fields {sorted(fields)}") from error
    name = fields[b"t"].decode(errors="replace")
    raise CorruptEvent(f"{name}: the bytes are not the ones that were written")


def digest_of(tag: bytes, writer: bytes, body: bytes, columns: bytes, count: int) -> bytes:
    """XXH3, 128 bits: it finds damage; it is no protection from somebody who can write to the server."""
    # The seed keeps apart what is the same when put together: where the body ends, and how many events it holds.
    seed = count << 32 | len(body)
    head = b"%b\0%b\0%b" % (tag, writer, body)
    if not columns:
        return xxh3_128_digest(head, seed)
    state = xxh3_128(head, seed)
    state.update(columns)
    return state.digest()
