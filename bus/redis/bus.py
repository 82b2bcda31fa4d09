"""All parts of the bus on one server, or on several that act as one."""

from contracts.errors import PositionMoved, Rewound

from ..moved import went_back
from ..protocol import Commit
from .feeding import RedisFeeds
from .health import RedisHealth, check_partitions
from .inbox import RedisInbox
from .leases import RedisLeases
from .ledger import RedisLedger
from .log import RedisLog
from .retention import RedisRetention
from .server import Servers
from .snapshots import RedisSnapshots


class RedisBus(RedisHealth, RedisLog, RedisRetention, RedisLedger, RedisLeases, RedisSnapshots, RedisInbox, RedisFeeds):
    """The bus on Redis or Valkey; see ``bus.protocol`` for what it promises."""

    def __init__(self, server: Servers, partitions: int, identity: str = "", budget_bytes: int = 0) -> None:
        RedisHealth.__init__(self, server, partitions, identity, budget_bytes)
        #: Positions that were stored when this process saw them last.
        self._known: dict[tuple[int, str], str] = {}

    async def commit(self, commit: Commit) -> None:
        key = (commit.partition, commit.task)
        try:
            await super().commit(commit)
        except PositionMoved as error:
            # What is told once is not told again by ``fence``.
            self._known[key] = error.found
            raise
        self._known[key] = commit.position

    async def fence(self, partition: int, task: str, token: int) -> str:
        found = await super().fence(partition, task, token)
        if self._identity:
            # After the fence: a partition that lost everything since would otherwise look like a fresh one.
            await check_partitions(self._server, self._identity, [partition])
        known, self._known[partition, task] = self._known.get((partition, task), ""), found
        if went_back(found, known):
            text = f"the log lost its end: {task} on partition {partition} stood at {known}, and now at {found or 0}"
            raise Rewound(text, found, partition=partition, first=int(found or 0) + 1, last=int(known))
        return found

    async def retire(self, partition: int, reader: str) -> bool:
        # Should it come back, it begins at the beginning, and nothing got lost.
        self._known.pop((partition, reader), None)
        return await super().retire(partition, reader)

    async def close(self) -> None:
        await self._server.close()
