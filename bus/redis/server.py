"""One Redis or Valkey server: connections, scripts, and errors in our own words."""

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any, cast

import redis.asyncio as aioredis
from redis import exceptions as wire
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from contracts.errors import TocsinError, Unavailable

Argument = str | bytes | int | float

#: Longest wait inside the server: short, so that a reader sees soon that it should stop.
MAX_BLOCK_S = 1.0
#: Connections for commands that do not wait; readers that wait have their own pool and cannot starve these.
MAX_CONNECTIONS = 32

#: First word of an error reply -> what to do about it. Each is a state that passes or that an operator can mend.
_TRANSIENT = {
    "LOADING": "The server is loading its data: wait",
    "BUSY": "A script blocks the server: wait, or SCRIPT KILL",
    "READONLY": "This is a replica: name the primary in redis.url",
    "MASTERDOWN": "The replica lost its primary: wait, or fail over",
    "CLUSTERDOWN": "The cluster misses slots: see CLUSTER INFO",
    "TRYAGAIN": "Slots are being moved: wait",
    "NOREPLICAS": "Fewer replicas than min-replicas-to-write: start them",
    "OOM": "The server reached maxmemory: raise it (redis.maxmemory_mb for the embedded one)",
    "MISCONF": "The server cannot write to its disk: free space, then it recovers by itself",
    "NOAUTH": "Set redis.password, or TOCSIN_REDIS__PASSWORD_FILE",
    "WRONGPASS": "Correct redis.username and redis.password",
    "NOPERM": "Give the user all commands on the keys tocsin:*",
    "UNBLOCKED": "The stream was deleted while we waited",
}


class Server:
    """Commands and scripts on one server.

    Every method raises Unavailable when the server does not answer or cannot serve now. A write may then have been
    applied: the callers' scripts are made so that sending them again is harmless. Nothing is retried here.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        timeout_s: float = 4.0,
    ) -> None:
        # The library's own retries would send a write twice; its default timeout would end every long wait.
        common: dict[str, Any] = {
            "username": username,
            "password": password,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": timeout_s,
            "socket_read_size": 1 << 16,
        }
        common = {name: value for name, value in common.items() if value is not None}
        self._commands = aioredis.Redis.from_url(
            url, socket_timeout=timeout_s, max_connections=MAX_CONNECTIONS, **common
        )
        self._waiting = aioredis.Redis.from_url(url, socket_timeout=timeout_s + MAX_BLOCK_S, **common)
        for client in (self._commands, self._waiting):
            # Replies as the server sends them: the library's conversions cost more than our own use of them.
            client.response_callbacks.clear()
        # The library has no types for these two.
        self._execute = cast(Callable[..., Awaitable[Any]], self._commands.execute_command)
        self._execute_waiting = cast(Callable[..., Awaitable[Any]], self._waiting.execute_command)
        self._scripts = {
            name: aioredis.Redis.register_script(self._commands, _source(name))
            for name in ("commit", "append", "settle", "lease", "fence", "snapshot")
        }

    async def call(self, *command: Argument) -> Any:
        """The reply to one command."""
        try:
            return await self._execute(*command)
        except (wire.RedisError, OSError) as error:
            raise _translated(error) from error

    async def wait(self, *command: Argument) -> Any:
        """The reply to a command that may block up to ``MAX_BLOCK_S``."""
        try:
            return await self._execute_waiting(*command)
        except (wire.RedisError, OSError) as error:
            raise _translated(error) from error

    async def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """The replies to several commands in one round trip; not atomic."""
        if not commands:
            return []
        try:
            async with self._commands.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return list(await pipe.execute())
        except (wire.RedisError, OSError) as error:
            raise _translated(error) from error

    async def script(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The reply of one of our scripts."""
        script = self._scripts[name]
        try:
            try:
                return await self._execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
            except wire.NoScriptError:
                return await self._execute("EVAL", script.script, len(keys), *keys, *arguments)
        except (wire.RedisError, OSError) as error:
            raise _translated(error) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._commands.aclose()
        await self._waiting.aclose()


def _source(name: str) -> bytes:
    return files(__package__).joinpath("scripts", f"{name}.lua").read_bytes()


def _translated(error: Exception) -> TocsinError:
    text = str(error)
    word = text.split(" ", 1)[0].rstrip(":,")
    if mend := _TRANSIENT.get(word):
        return Unavailable(f"Redis says {text[:200]}", mend=mend)
    for phrase, mend in _PHRASES:
        if phrase in text:
            return Unavailable(f"Redis: {text[:200]}", mend=mend)
    for kind, mend in _KINDS:
        if isinstance(error, kind):
            return Unavailable(f"Redis: {text[:200] or type(error).__name__}", mend=mend)
    return ServerRefused(f"Redis refused: {text[:300]}")


#: The library reports these as lost connections.
_PHRASES = (
    ("Authentication required", _TRANSIENT["NOAUTH"]),
    ("username-password", _TRANSIENT["WRONGPASS"]),
)
#: The library takes the first word off some replies and gives them a class instead.
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (wire.BusyLoadingError, _TRANSIENT["LOADING"]),
    (wire.ReadOnlyError, _TRANSIENT["READONLY"]),
    (wire.OutOfMemoryError, _TRANSIENT["OOM"]),
    (wire.AuthenticationError, _TRANSIENT["WRONGPASS"]),
    (wire.NoPermissionError, _TRANSIENT["NOPERM"]),
    (wire.TimeoutError, "The server does not answer: see whether it runs and is reachable"),
    (wire.ConnectionError, "Start the server, or correct redis.url"),
    (OSError, "Start the server, or correct redis.url"),
)


class ServerRefused(TocsinError):
    """An error reply that does not pass by itself."""

    @property
    def word(self) -> str:
        """The first word of the reply, ``NOGROUP`` for one."""
        return cast(str, self.args[0]).removeprefix("Redis refused: ").split(" ", 1)[0]
