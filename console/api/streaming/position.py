"""How far a subscriber has come: a text that it keeps, and gives back to go on exactly there.

``1<log>~<stream>:<numbers>~...``: version, digest of the log's identity, and for each stream the partitions with the
ordinal of the last event that was handed on, as variable-length integers in base64. Nothing of it is secret, and a
forged one reaches nothing that its sender could not ask for anyway; what it says is checked all the same.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b

_VERSION = "1"
_MARK = "~"
#: A header may have 16 KiB in all.
MOST_TEXT = 8_000
_MOST_ORDINAL = 1 << 62


class BadPosition(ValueError):
    """A position that is none, or of something else."""


class Numbers:
    """Partition -> ordinal of the last event, for one stream; zeros are left out."""

    def __init__(self, ordinals: Mapping[int, int] | None = None) -> None:
        self._ordinals: dict[int, int] = {}
        # Each partition's part is kept as bytes: one event changes one of them.
        self._parts: dict[int, bytes] = {}
        self._text: str | None = None
        for partition, ordinal in (ordinals or {}).items():
            self[partition] = ordinal

    def __getitem__(self, partition: int) -> int:
        return self._ordinals.get(partition, 0)

    def __setitem__(self, partition: int, ordinal: int) -> None:
        if ordinal > 0:
            self._ordinals[partition] = ordinal
            self._parts[partition] = _varint(partition) + _varint(ordinal)
        else:
            self._ordinals.pop(partition, None)
            self._parts.pop(partition, None)
        self._text = None

    def copy(self) -> "Numbers":
        """Another one that says the same."""
        return Numbers(self._ordinals)

    @property
    def text(self) -> str:
        """As it stands in a position."""
        if self._text is None:
            self._text = urlsafe_b64encode(b"".join(self._parts.values())).decode().rstrip("=")
        return self._text

    @classmethod
    def of(cls, text: str, partitions: int) -> "Numbers":
        """The numbers that ``text`` says.

        Raises BadPosition.
        """
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError as error:
            raise BadPosition("its numbers cannot be read") from error
        values = list(_varints(data))
        if len(values) % 2:
            raise BadPosition("its numbers are cut off")
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if len({partition for partition, _ in pairs}) < len(pairs):
            raise BadPosition("it names a partition twice")
        if any(partition >= partitions or not 0 < ordinal < _MOST_ORDINAL for partition, ordinal in pairs):
            raise BadPosition("it names a place that this log has not")
        return cls(dict(pairs))


def mark_of(identity: str) -> str:
    """What the positions of a log begin with."""
    return _VERSION + urlsafe_b64encode(blake2b(identity.encode(), digest_size=4).digest()).decode().rstrip("=")


def joined(mark: str, parts: Mapping[str, str]) -> str:
    """A position, from the text of each stream."""
    return _MARK.join([mark, *(f"{stream}:{text}" for stream, text in parts.items())])


def parsed(text: str, mark: str, streams: Sequence[str], partitions: int) -> dict[str, Numbers]:
    """Stream -> numbers, of a position that somebody brings back.

    Raises BadPosition when it is none, of another log, or of other streams.
    """
    if len(text) > MOST_TEXT or not text.isascii() or not text.startswith(_VERSION):
        raise BadPosition("it is none that was given out here")
    head, *rest = text.split(_MARK)
    if head != mark:
        raise BadPosition("it is of another log")
    named = dict(part.partition(":")[::2] for part in rest)
    if len(named) < len(rest) or sorted(named) != sorted(streams):
        raise BadPosition("it is of a subscription to other types of events")
    return {stream: Numbers.of(named[stream], partitions) for stream in streams}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varints(data: bytes) -> list[int]:
    found, value, shift = list[int](), 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            continue
        found.append(value)
        value, shift = 0, 0
    if shift or value:
        raise BadPosition("its numbers are cut off")
    return found
