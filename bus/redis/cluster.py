"""A Redis Cluster as if it were one server: each command goes to the primary that holds its key.

Built from single servers, rather than on the library's own cluster client: that one ends the connections of all
nodes when one of them lacks its slots, asks a server where the keys of an XREAD stand, and has retries of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
from redis.crc import key_slot

from contracts.errors import TocsinError, Unavailable

from .. import keys
from .address import Members
from .refusals import TRANSIENT, Redirected
from .server import Argument, Command, Server

_PORT = 7000
_SLOTS = 16384
#: So often a command is sent on to another node.
_TRIES = 3
#: A cluster in trouble is not asked more often who holds what.
_REFRESH_S = 0.1

_KEYLESS = frozenset(
    {"CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "DEBUG", "FLUSHALL", "INFO", "PING", "ROLE", "SCRIPT", "TIME"}
    | {"WAIT", "WAITAOF", "BGREWRITEAOF", "ACL"}
)
#: Where the key stands in commands that do not begin with it.
_KEY_AT = {"XGROUP": 2, "XINFO": 2, "MEMORY": 2, "OBJECT": 2, "EVAL": 3, "EVALSHA": 3}

Address = tuple[str, int]


class Cluster:
    """Commands and scripts on the primaries of a cluster; see ``Servers``.

    A slot that is being moved is not there for the moment of its move (TRYAGAIN, ASK); one that was moved is found
    (MOVED): the node that sends us on has executed nothing.
    """

    one_slot = False

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
        members = Members.of(url, _PORT)
        self._tls = members.tls
        self._options: dict[str, Any] = {
            "username": username or members.login.get("username"),
            "password": password or members.login.get("password"),
            "timeout_s": timeout_s,
            "tls_ca": tls_ca,
            "replicas": replicas,
        }
        self._known: list[Address] = list(members.addresses)
        self._nodes: dict[Address, Server] = {}
        self._holders: list[Address | None] = [None] * _SLOTS
        self._stale, self._asked = True, -_REFRESH_S
        self._asking = anyio.Lock()

    # ---- commands

    async def call(self, *command: Argument) -> Any:
        return await self._routed(_key_of(command), lambda node: node.call(*command))

    async def wait(self, *command: Argument) -> Any:
        return await self._routed(_key_of(command), lambda node: node.wait(*command))

    async def script(self, name: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        return await self._routed(keys[0], lambda node: node.script(name, keys, arguments))

    async def many(self, commands: Sequence[Command]) -> list[Any]:
        found: dict[int, Any] = {}
        left = list(range(len(commands)))
        for _ in range(_TRIES):
            for reply in await asyncio.gather(
                *(self._group(node, commands, numbers) for node, numbers in (await self._grouped(commands, left))),
                return_exceptions=True,
            ):
                if isinstance(reply, BaseException):
                    raise reply
                found.update(reply)
            moved = {number: reply for number, reply in found.items() if isinstance(reply, Redirected)}
            for reply in moved.values():
                self._learn(reply)
            left = sorted(moved)
            if not left:
                break
        for reply in found.values():
            if isinstance(reply, TocsinError):
                self._suspect(reply)
                raise reply
        return [found[number] for number in range(len(commands))]

    async def each(self, *command: Argument) -> dict[str, Any]:
        nodes = await self._primaries()
        replies = await asyncio.gather(*(self._at(node).call(*command) for node in nodes), return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                self._suspect(reply)
                raise reply
        return {f"{host}:{port}": reply for (host, port), reply in zip(nodes, replies, strict=True)}

    async def persist(self) -> None:
        nodes = await self._primaries()
        found = await asyncio.gather(
            *(self._at(node).persist_with(self._own_key(node)) for node in nodes), return_exceptions=True
        )
        for error in found:
            if isinstance(error, BaseException):
                self._suspect(error)
                raise error

    async def refresh(self) -> None:
        self._stale, self._asked = True, -_REFRESH_S
        await self._map()

    async def close(self) -> None:
        for node in self._nodes.values():
            await node.close()

    # ---- who holds what

    async def _routed(self, key: str | None, send: Callable[[Server], Awaitable[Any]]) -> Any:
        for left in reversed(range(_TRIES)):
            try:
                return await send(self._at(await self._holder(key)))
            except Redirected as moved:
                self._learn(moved)
                if not left:
                    raise
            except Unavailable as error:
                self._suspect(error)
                raise
        raise AssertionError("the last try returns or raises")

    def _learn(self, moved: Redirected) -> None:
        """Take over what a node says: a third one may not have heard of it yet."""
        self._holders[moved.slot] = (moved.host or self._known[0][0], moved.port)

    def _suspect(self, error: BaseException) -> None:
        """After any trouble the map may be old: the next command asks for a new one."""
        if isinstance(error, Unavailable):
            self._stale = True

    async def _grouped(self, commands: Sequence[Command], numbers: Sequence[int]) -> list[tuple[Address, list[int]]]:
        groups: dict[Address, list[int]] = {}
        for number in numbers:
            groups.setdefault(await self._holder(_key_of(commands[number])), []).append(number)
        return list(groups.items())

    async def _group(self, node: Address, commands: Sequence[Command], numbers: Sequence[int]) -> dict[int, Any]:
        try:
            replies = await self._at(node).replies([commands[number] for number in numbers])
        except Unavailable as error:
            self._suspect(error)
            raise
        return dict(zip(numbers, replies, strict=True))

    async def _holder(self, key: str | None) -> Address:
        await self._map()
        if key is None:
            return (await self._primaries())[0]
        found = self._holders[key_slot(key.encode())]
        if found is None:
            self._stale = True
            raise Unavailable(f"no node holds the slot of {key}", mend=TRANSIENT["CLUSTERDOWN"])
        return found

    async def _primaries(self) -> list[Address]:
        await self._map()
        found = sorted({holder for holder in self._holders if holder is not None})
        if not found:
            self._stale = True
            raise Unavailable("no node holds any slot", mend=TRANSIENT["CLUSTERDOWN"])
        return found

    def _own_key(self, node: Address) -> str:
        """A key in a slot of the node."""
        for number in range(100 * _SLOTS):
            name = keys.beside(f"{keys.PREFIX}:{{{number}}}")
            if self._holders[key_slot(name.encode())] == node:
                return name
        raise Unavailable(f"{node[0]}:{node[1]} holds no slot any more", mend=TRANSIENT["TRYAGAIN"])

    async def _map(self) -> None:
        """Ask who holds which slots, if what we know may be old."""
        if not self._due():
            return
        async with self._asking:
            if not self._due():
                return
            self._asked = anyio.current_time()
            trouble: TocsinError | None = None
            for node in list(self._known):
                try:
                    rows = await self._at(node).call("CLUSTER", "SLOTS")
                except TocsinError as error:
                    trouble = error
                    # Asked last from now on.
                    self._known.remove(node)
                    self._known.append(node)
                    continue
                self._take(node, rows)
                return
        assert trouble is not None  # noqa: S101 - there is at least one address
        raise trouble

    def _due(self) -> bool:
        return self._stale and (anyio.current_time() - self._asked >= _REFRESH_S or not any(self._holders))

    def _take(self, asked: Address, rows: Sequence[Any]) -> None:
        holders: list[Address | None] = [None] * _SLOTS
        nodes: list[Address] = []
        for first, last, *members in rows:
            # A node that does not know its own name leaves it out: it is the one that we asked.
            found = [(name.decode() if name else asked[0], int(port)) for name, port, *_ in members]
            holders[first : last + 1] = [found[0]] * (last + 1 - first)
            nodes += found
        self._holders, self._stale = holders, False
        self._known = list(dict.fromkeys([asked, *nodes, *self._known]))

    def _at(self, node: Address) -> Server:
        if node not in self._nodes:
            host = f"[{node[0]}]" if ":" in node[0] else quote(node[0])
            scheme = "rediss" if self._tls else "redis"
            self._nodes[node] = Server(f"{scheme}://{host}:{node[1]}", **self._options)
        return self._nodes[node]


def _key_of(command: Command) -> str | None:
    """The first key of a command; all keys of one are in the same slot."""
    name = str(command[0])
    if name in _KEYLESS:
        return None
    at = _KEY_AT.get(name, 1)
    if name in ("XREAD", "XREADGROUP"):
        at = list(command).index("STREAMS") + 1
    return str(command[at])
