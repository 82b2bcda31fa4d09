"""Snapshots in Redis: the last two of each task and partition."""

import json
from hashlib import blake2b

from .. import keys
from ..protocol import Snapshot
from .ledger import fenced
from .server import Argument, Servers

_FIELDS = ("position", "ends", "maker", "digest", "data")


class RedisSnapshots:
    """The Snapshots part of the bus."""

    def __init__(self, server: Servers) -> None:
        self._server = server

    async def save(self, partition: int, task: str, token: int, snapshot: Snapshot) -> None:
        names = [
            keys.ledger(partition),
            keys.snapshot(partition, task),
            keys.previous_snapshot(partition, task),
        ]
        ends = json.dumps(dict(snapshot.ends), sort_keys=True)
        digest = digest_of(snapshot.position.encode(), ends.encode(), snapshot.maker.encode(), snapshot.data)
        arguments: list[Argument] = [task, token, snapshot.position, ends, digest, snapshot.data, snapshot.maker]
        reply = await self._server.script("snapshot", names, arguments)
        if reply[0] == b"FENCED":
            raise fenced(task, partition, token, reply[1])

    async def snapshots(self, partition: int, task: str) -> list[Snapshot]:
        names = (keys.snapshot(partition, task), keys.previous_snapshot(partition, task))
        rows = await self._server.many([("HMGET", name, *_FIELDS) for name in names])
        found = []
        for position, ends, maker, digest, data in rows:
            if position is None or ends is None or maker is None or data is None:
                continue
            # A snapshot that was damaged on disk is skipped: the one before, or the log, gives the same state.
            if digest_of(position, ends, maker, data) == digest:
                found.append(Snapshot(position.decode(), data, json.loads(ends), maker.decode()))
        return found


def digest_of(position: bytes, ends: bytes, maker: bytes, data: bytes) -> bytes:
    """Digest over everything in a snapshot."""
    state = blake2b(b"%b\n%b\n%b\n" % (position, ends, maker), digest_size=16)
    state.update(data)
    return state.digest()
