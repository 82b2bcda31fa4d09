"""All parts of the bus on one server."""

from .inbox import RedisInbox
from .leases import RedisLeases
from .ledger import RedisLedger
from .log import RedisLog
from .server import Server
from .snapshots import RedisSnapshots


class RedisBus(RedisLog, RedisLedger, RedisLeases, RedisSnapshots, RedisInbox):
    """The bus on one Redis or Valkey server; see ``bus.protocol`` for what it promises."""

    def __init__(self, server: Server, partitions: int, identity: str = "") -> None:
        RedisLog.__init__(self, server, partitions, identity)

    async def close(self) -> None:
        await self._server.close()
