"""One server behind sentinels: they say who the primary is, after a failover another one."""

from pathlib import Path
from typing import Any, cast

import redis.asyncio as aioredis
from redis import exceptions as wire

from .address import Members
from .refusals import translated
from .server import MAX_BLOCK_S, MAX_CONNECTIONS, Server

_PORT = 26379


class SentinelServer(Server):
    """Commands and scripts on the primary that the sentinels name; see ``Servers``.

    ``url`` is ``redis+sentinel://host:port,host:port/NAME[/database]``; rediss: TLS to the sentinels as well.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        timeout_s: float = 4.0,
        tls_ca: Path | None = None,
        replicas: int = 0,
        sentinel_password: str | None = None,
    ) -> None:
        self._sentinel_password = sentinel_password
        super().__init__(
            url, username=username, password=password, timeout_s=timeout_s, tls_ca=tls_ca, replicas=replicas
        )

    def _clients(self, url: str, common: dict[str, Any]) -> tuple[aioredis.Redis, aioredis.Redis]:
        members = Members.of(url, _PORT)
        self._name, _, database = members.path.partition("/")
        own = {name: value for name, value in common.items() if name not in ("username", "password")}
        own.update(socket_timeout=self._timeout_s / 2, ssl=members.tls)
        if self._sentinel_password:
            own["password"] = self._sentinel_password
        self._sentinels: Any = cast(Any, aioredis.Sentinel)(members.addresses, sentinel_kwargs=own)
        common = {**members.login, **common, "db": int(database or 0), "ssl": members.tls}
        return (
            self._sentinels.master_for(
                self._name, socket_timeout=self._timeout_s, max_connections=MAX_CONNECTIONS, **common
            ),
            self._sentinels.master_for(self._name, socket_timeout=self._timeout_s + MAX_BLOCK_S, **common),
        )

    async def refresh(self) -> None:
        """Leave a primary that was replaced: one that only stood still does not know it yet, and takes writes."""
        try:
            for client in (self._commands, self._waiting):
                pool: Any = client.connection_pool
                before = pool.master_address
                if await pool.get_master_address() != before and before is not None:
                    await pool.disconnect()
        except (wire.RedisError, OSError) as error:
            raise translated(error) from error

    async def close(self) -> None:
        await super().close()
        await self._sentinels.aclose()
