"""Names that are the same wherever and whenever they are computed."""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

#: Characters with a meaning of their own: ``{}`` mark the slot of a key, ``/`` parts asset from channel.
RESERVED = frozenset("{}/")
NAME_LENGTH = 128
ID_BYTES = 16


def is_name(text: str) -> bool:
    """Whether ``text`` may name an asset, a channel, a source or an agent.

    Everything that comes from outside is checked at the edge, so that no control or bidirectional character reaches
    a log line, a key or a page.
    """
    return 0 < len(text) <= NAME_LENGTH and text.isprintable() and text.strip() == text and RESERVED.isdisjoint(text)


def series_name(asset: str, channel: str) -> str:
    """``asset/channel``; the asset alone where something is about all of it."""
    return f"{asset}/{channel}" if channel else asset


def digest(*parts: str | bytes) -> str:
    """BLAKE2b of length-prefixed parts, 32 hex digits: no two lists of parts collide by concatenation."""
    state = blake2b(digest_size=ID_BYTES)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(b"%d:" % len(data))
        state.update(data)
    return state.hexdigest()


def event_id(kind: str, *cause: str | int) -> str:
    """The id of an event: its type and what the log says of its cause.

    Never pass a transport id, a clock reading or anything that depends on how batches were cut.
    """
    return digest(kind, *(str(part) for part in cause))


def reading_ids(source: str, asset: str, channel: str, positions: Iterable[int]) -> list[str]:
    """Ids of readings of one series of one source, by the source's own positions."""
    base = blake2b(digest_size=ID_BYTES)
    for part in (source, asset, channel):
        data = part.encode()
        base.update(b"%d:" % len(data))
        base.update(data)
    ids = []
    for position in positions:
        state = base.copy()
        state.update(b"%d" % position)
        ids.append(state.hexdigest())
    return ids


@lru_cache(maxsize=65536)
def partition_of(asset: str, partitions: int) -> int:
    """The partition that holds all events of ``asset``; stable across processes and versions."""
    return int.from_bytes(blake2b(asset.encode(), digest_size=8).digest(), "big") % partitions


def home_of(name: str, partitions: int) -> int:
    """The partition that keeps what belongs to ``name`` rather than to an asset."""
    return partition_of(f"home of {name}", partitions)
