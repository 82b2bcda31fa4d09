"""Leases and memberships on Redis, without the server's clock."""

from .. import keys
from .server import Servers


class RedisLeases:
    """The Leases part of the bus."""

    def __init__(self, server: Servers) -> None:
        self._server = server

    async def acquire(self, partition: int, task: str, owner: str, *, seen: str | None) -> int | None:
        # A text that no lease has: without a sighting only a free lease or our own can be taken.
        return await self._lease("acquire", partition, task, owner, seen or "-") or None

    async def renew(self, partition: int, task: str, owner: str, token: int) -> bool:
        return await self._lease("renew", partition, task, owner, str(token)) == 1

    async def release(self, partition: int, task: str, owner: str, token: int) -> None:
        await self._lease("release", partition, task, owner, str(token))

    async def _lease(self, verb: str, partition: int, task: str, owner: str, last: str) -> int:
        return int(await self._server.script("lease", [keys.ledger(partition)], [verb, task, owner, last]))

    async def sign(self, partition: int, task: str) -> str:
        found = await self._server.call("HGET", keys.ledger(partition), f"lease:{task}")
        return found.decode() if found else ""

    async def members(self, task: str, owner: str, beat: int | None) -> dict[str, str]:
        said = "" if beat is None else str(beat)
        flat = await self._server.script("member", [keys.members(task)], [owner, said])
        return {key.decode(): value.decode() for key, value in zip(flat[::2], flat[1::2], strict=True)}
