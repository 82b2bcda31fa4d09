"""One Redis or Valkey server: connections and scripts. ``cluster`` and ``sentinel`` do the same for several."""

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, cast

import redis.asyncio as aioredis
from redis import exceptions as wire
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from contracts.errors import TocsinError, Unavailable

from .. import keys
from .deadline import limited
from .packing import pack_fast
from .refusals import ServerRefused as ServerRefused
from .refusals import UnknownScript, translated

Argument = str | bytes | int | float
Command = Sequence[Argument]

#: Longest wait inside the server: short, so that a reader sees soon that it should stop.
MAX_BLOCK_S = 1.0
#: Connections for commands that do not wait; readers that wait have their own pool and cannot starve these.
MAX_CONNECTIONS = 64
#: With `appendfsync everysec` the disk is at most two seconds behind.
_PERSIST_MS = 3_000
#: Scripts whose effect must not be lost: with ``replicas`` they end only when so many replicas have it.
_REPLICATED = frozenset({"commit", "append", "feed", "settle"})

SCRIPTS = tuple(sorted(path.name[:-4] for path in files(__package__).joinpath("scripts").iterdir()))


class Servers(Protocol):
    """What holds the log: one server, one behind sentinels, or a cluster.

    Every method raises Unavailable when a server does not answer or cannot serve now. A write may then have been
    applied: the callers' scripts are made so that sending them again is harmless. Nothing is retried here.
    """

    @property
    def one_slot(self) -> bool:
        """Whether one command may name keys of several partitions."""
        ...

    async def call(self, *command: Argument) -> Any:
        """The reply to one command; one without a key goes to any primary."""
        ...

    async def wait(self, *command: Argument) -> Any:
        """The reply to a command that may block up to ``MAX_BLOCK_S``."""
        ...

    async def many(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to several commands in one round trip; not atomic, and nothing that is harmful twice."""
        ...

    async def script(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The reply of one of our scripts."""
        ...

    async def each(self, *command: Argument) -> dict[str, Any]:
        """The reply of every primary to a command without a key, by address."""
        ...

    async def persist(self) -> None:
        """Wait until all that was written so far is on disk, where the servers can tell."""
        ...

    async def refresh(self) -> None:
        """Ask anew who the primaries are, where that can change."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Server:
    """Commands and scripts on one server; see ``Servers``.

    ``replicas``: so many replicas must have a commit before it counts as done (WAIT).
    """

    one_slot = True

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        timeout_s: float = 4.0,
        tls_ca: Path | None = None,
        replicas: int = 0,
    ) -> None:
        self._timeout_s, self._replicas = timeout_s, replicas
        common = options(username, password, timeout_s, tls_ca if url.startswith("rediss") else None)
        self._commands, self._waiting = self._clients(url, common)
        for client in (self._commands, self._waiting):
            # Replies as the server sends them: the library's conversions cost more than our own use of them.
            client.response_callbacks.clear()
            pack_fast(client)
        # The library has no types for these two.
        execute = cast(Callable[..., Awaitable[Any]], self._commands.execute_command)
        execute_waiting = cast(Callable[..., Awaitable[Any]], self._waiting.execute_command)
        self._execute = limited(execute, timeout_s)
        self._execute_waiting = limited(execute_waiting, timeout_s + MAX_BLOCK_S)
        self._scripts = {name: aioredis.Redis.register_script(self._commands, _source(name)) for name in SCRIPTS}

    def _clients(self, url: str, common: dict[str, Any]) -> tuple[aioredis.Redis, aioredis.Redis]:
        """For commands, and for those that block."""
        # No limit of the library: see ``deadline``.
        limits: dict[str, Any] = {"socket_timeout": None, "max_connections": MAX_CONNECTIONS}
        return (
            aioredis.Redis.from_url(url, **limits, **common),
            aioredis.Redis.from_url(url, socket_timeout=None, **common),
        )

    async def call(self, *command: Argument) -> Any:
        try:
            return await self._execute(*command)
        except (wire.RedisError, OSError) as error:
            raise translated(error) from error

    async def wait(self, *command: Argument) -> Any:
        try:
            return await self._execute_waiting(*command)
        except (wire.RedisError, OSError) as error:
            raise translated(error) from error

    async def many(self, commands: Sequence[Command]) -> list[Any]:
        replies = await self.replies(commands)
        for reply in replies:
            if isinstance(reply, TocsinError):
                raise reply
        return replies

    async def replies(self, commands: Sequence[Command]) -> list[Any]:
        """As ``many``, but an error reply stands in its place in the list instead of being raised."""
        if not commands:
            return []
        try:
            async with self._commands.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                found = await limited(pipe.execute, self._timeout_s)(raise_on_error=False)
        except (wire.RedisError, OSError) as error:
            raise translated(error) from error
        return [translated(reply) if isinstance(reply, Exception) else reply for reply in found]

    async def script(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        script = self._scripts[name]
        rest = (len(keys), *keys, *arguments)
        if self._replicas and name in _REPLICATED:
            return await self._replicated(script.sha, script.script, rest)
        try:
            try:
                return await self._execute("EVALSHA", script.sha, *rest)
            except wire.NoScriptError:
                return await self._execute("EVAL", script.script, *rest)
        except (wire.RedisError, OSError) as error:
            raise translated(error) from error

    async def _replicated(self, sha: str, source: Any, rest: tuple[Argument, ...]) -> Any:
        """Run a script, and wait until enough replicas have what it wrote.

        WAIT answers for the last write of this very connection. A commit that is sent again may write nothing, so
        something is written behind it: the replicas get everything in order.
        """
        after: tuple[Command, ...] = (
            ("HINCRBY", keys.beside(str(rest[1])), "asked", 1),
            ("WAIT", self._replicas, int(self._timeout_s * 500)),
        )
        reply, marked, have = await self.replies((("EVALSHA", sha, *rest), *after))
        if isinstance(reply, UnknownScript):
            reply, marked, have = await self.replies((("EVAL", source, *rest), *after))
        for found in (reply, marked, have):
            if isinstance(found, TocsinError):
                raise found
        if have < self._replicas:
            raise Unavailable(
                f"a commit reached {have} of {self._replicas} replicas in {self._timeout_s / 2:.1f} s",
                mend="Start the replicas, or lower redis.wait_replicas",
            )
        return reply

    async def each(self, *command: Argument) -> dict[str, Any]:
        return {"": await self.call(*command)}

    async def persist(self) -> None:
        await self.persist_with(keys.PERSISTED)

    async def persist_with(self, key: str) -> None:
        """As ``persist``, by writing to ``key``."""
        # The server answers for what this very connection wrote: so write something, and ask on the same one. The file
        # is written in order, so all earlier commits are on disk then, too.
        try:
            _, found = await self.many((("HINCRBY", key, "asked", 1), ("WAITAOF", 1, 0, _PERSIST_MS)))
        except ServerRefused:
            # Before Redis 7.2 no server can tell; there only `appendfsync always` promises it.
            return
        if found[0] < 1:
            raise Unavailable(
                f"nothing reached the server's disk in {_PERSIST_MS / 1000:.0f} s", mend="See whether the disk is full"
            )

    async def refresh(self) -> None:
        """There is but one."""

    async def close(self) -> None:
        await self._commands.aclose()
        await self._waiting.aclose()


def options(username: str | None, password: str | None, timeout_s: float, tls_ca: Path | None) -> dict[str, Any]:
    """What every connection is opened with."""
    # The library's own retries would send a write twice; its default timeout would end every long wait.
    common: dict[str, Any] = {
        "username": username,
        "password": password,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": timeout_s,
        "socket_read_size": 1 << 16,
        "ssl_ca_certs": str(tls_ca) if tls_ca else None,
    }
    return {name: value for name, value in common.items() if value is not None}


def _source(name: str) -> bytes:
    folder = files(__package__)
    source = folder.joinpath("scripts", f"{name}.lua").read_bytes()
    # Scripts cannot call each other: what several need is put in front of each.
    return folder.joinpath("frames.lua").read_bytes() + source if b"append_frames(" in source else source
