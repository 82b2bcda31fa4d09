"""Ordered reading from Redis Streams.

An entry's id is ``<ordinal of its last event>-<number of its events>``: positions are ours, the same in every run,
and do not depend on the server's clock; a hole shows by arithmetic.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.errors import StoreLost, Unavailable

from .. import keys
from ..protocol import Entry, Place
from .server import MAX_BLOCK_S, Server

#: The id just behind every entry that ends at an ordinal.
_BEHIND = "18446744073709551615"
#: Entries in one reply of a range: few, because each may be a megabyte.
_PAGE = 64


class RedisLog:
    """The Log part of the bus."""

    def __init__(self, server: Server, partitions: int, identity: str) -> None:
        self._server = server
        self._identity = identity
        self.partitions = partitions

    async def check(self) -> None:
        found = (await self._server.call("HGET", keys.STORE, "id") or b"").decode()
        if self._identity and found != self._identity:
            raise StoreLost(
                f"this Redis lost its data: expected log {self._identity}, found {found or 'no log at all'}",
                mend="Restore the server's data; or begin a new log: stop everything and delete the file store-id",
            )

    async def fullness(self) -> float:
        text = (await self._server.call("INFO", "memory")).decode(errors="replace")
        said = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        limit = int(said.get("maxmemory", "0"))
        return int(said["used_memory"]) / limit if limit else 0.0

    async def read(self, after: Mapping[Place, int], *, count: int, block_s: float = 0) -> dict[Place, list[Entry]]:
        if not after:
            return {}
        names = {keys.stream(place): place for place in after}
        command: list[str | int] = ["XREAD", "COUNT", count]
        if block_s > 0:
            command += ["BLOCK", max(1, int(min(block_s, MAX_BLOCK_S) * 1000))]
        command += ["STREAMS", *names, *(f"{last}-{_BEHIND}" for last in after.values())]
        send = self._server.wait if block_s > 0 else self._server.call
        reply = await send(*command) or ()
        return {names[name.decode()]: entries(rows) for name, rows in reply}

    async def range(self, place: Place, first: int, last: int, *, count: int) -> list[Entry]:
        found: list[Entry] = []
        start = max(first, 1)
        while last >= start and len(found) < count:
            rows = entries(
                await self._server.call(
                    "XRANGE", keys.stream(place), f"{start}-0", "+", "COUNT", min(count - len(found), _PAGE)
                )
            )
            wanted = [entry for entry in rows if entry.first <= last]
            found += wanted
            if not rows or len(wanted) < len(rows):
                break
            start = rows[-1].last + 1
        return found

    async def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        replies = await self._server.many(
            [("HGET", keys.ledger(place.partition), f"end:{place.stream}") for place in places]
        )
        return {place: int(reply or 0) for place, reply in zip(places, replies, strict=True)}


def entries(rows: Sequence[Any] | None) -> list[Entry]:
    """Entries from a stream reply; one that was deleted while pending has no fields."""
    return [_entry(name, flat) for name, flat in rows or ()]


def _entry(name: bytes, flat: Sequence[bytes] | None) -> Entry:
    last, _, count = name.partition(b"-")
    if count == b"0":
        raise Unavailable(
            f"entry {name.decode()} was written by another program",
            mend="Only Tocsin may write to its streams: give other programs a user without write rights on tocsin:*",
        )
    fields = dict(zip(flat[::2], flat[1::2], strict=True)) if flat else {}
    return Entry(int(last), int(count), fields)


def entry_id(entry: Entry) -> str:
    """The transport's id of an entry."""
    return f"{entry.last}-{entry.count}"
