"""Snapshots in Redis: the last two of each task and partition."""

import json
from hashlib import blake2b

from .. import keys
from ..protocol import Snapshot
from .ledger import fenced
from .server import Argument, Server


class RedisSnapshots:
    """The Snapshots part of the bus."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def save(self, partition: int, task: str, token: int, snapshot: Snapshot) -> None:
        names = [
            keys.ledger(partition),
            keys.snapshot(partition, task),
            keys.previous_snapshot(partition, task),
        ]
        ends = json.dumps(dict(snapshot.ends), sort_keys=True)
        arguments: list[Argument] = [task, token, snapshot.position, ends, digest_of(snapshot, ends), snapshot.data]
        reply = await self._server.script("snapshot", names, arguments)
        if reply[0] == b"FENCED":
            raise fenced(task, partition, token, reply[1])

    async def snapshots(self, partition: int, task: str) -> list[Snapshot]:
        names = (keys.snapshot(partition, task), keys.previous_snapshot(partition, task))
        rows = await self._server.many([("HMGET", name, "position", "ends", "digest", "data") for name in names])
        found = []
        for position, ends, digest, data in rows:
            if position is None or ends is None or data is None:
                continue
            snapshot = Snapshot(position.decode(), data, json.loads(ends))
            # A snapshot that was damaged on disk is skipped: the one before, or the log, gives the same state.
            if digest_of(snapshot, ends.decode()) == digest:
                found.append(snapshot)
        return found


def digest_of(snapshot: Snapshot, ends: str) -> bytes:
    """Digest over everything in a snapshot."""
    state = blake2b(f"{snapshot.position}\n{ends}\n".encode(), digest_size=16)
    state.update(snapshot.data)
    return state.digest()
