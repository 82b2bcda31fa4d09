"""Commits on Redis: one script per step, on the slot of the partition."""

from collections.abc import Sequence

from contracts.errors import Fenced, PositionMoved, Unavailable
from contracts.frames import Frame

from .. import keys
from ..protocol import Commit, Place
from .server import Argument, Server, ServerRefused

#: With `appendfsync everysec` the disk is at most two seconds behind.
_PERSIST_MS = 3_000


class RedisLedger:
    """The Ledger part of the bus."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def commit(self, commit: Commit) -> None:
        names = [keys.ledger(commit.partition)]
        arguments: list[Argument] = [commit.task, commit.token, commit.expected, commit.position]
        for stream, frame in commit.outputs:
            names.append(keys.stream(Place(stream, commit.partition)))
            arguments += (stream, *in_script(frame))
        reply = await self._server.script("commit", names, arguments)
        if reply[0] == b"FENCED":
            raise fenced(commit.task, commit.partition, commit.token, reply[1])
        if reply[0] == b"MOVED":
            found = reply[1].decode()
            # Only the owner of this token can have moved it there: an earlier try of this commit was applied, and
            # its reply was lost.
            if found != commit.position:
                raise PositionMoved(
                    f"{commit.task} on partition {commit.partition} stands at {found or 'the beginning'}, "
                    f"not at {commit.expected or 'the beginning'}",
                    found,
                )

    async def fence(self, partition: int, task: str, token: int) -> str:
        reply = await self._server.script("fence", [keys.ledger(partition)], [task, token])
        if reply[0] == b"FENCED":
            raise fenced(task, partition, token, reply[1])
        return str(reply[1].decode())

    async def position(self, partition: int, task: str) -> str:
        found = await self._server.call("HGET", keys.ledger(partition), f"position:{task}")
        return found.decode() if found else ""

    async def positions(self, partition: int) -> dict[str, str]:
        flat = await self._server.call("HGETALL", keys.ledger(partition))
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {
            name.decode().removeprefix("position:"): value.decode()
            for name, value in pairs
            if name.startswith(b"position:")
        }

    async def persist(self) -> None:
        # The server answers for what this very connection wrote: so write something, and ask on the same one. The file
        # is written in order, so all earlier commits are on disk then, too.
        commands = (("HINCRBY", keys.PERSISTED, "asked", 1), ("WAITAOF", 1, 0, _PERSIST_MS))
        try:
            _, found = await self._server.many(commands)
        except ServerRefused:
            # Before Redis 7.2 no server can tell; there only `appendfsync always` promises it.
            return
        if found[0] < 1:
            raise Unavailable(
                f"nothing reached the server's disk in {_PERSIST_MS / 1000:.0f} s", mend="See whether the disk is full"
            )

    async def append(self, place: Place, frames: Sequence[Frame]) -> int:
        arguments: list[Argument] = [place.stream]
        for frame in frames:
            arguments += in_script(frame)
        names = [keys.ledger(place.partition), keys.stream(place)]
        return int(await self._server.script("append", names, arguments))


def fenced(task: str, partition: int, token: int, seen: bytes) -> Fenced:
    """The error of an owner that was shut out."""
    return Fenced(f"{task} on partition {partition}: token {token} was fenced off by {seen.decode()}")


def in_script(frame: Frame) -> tuple[Argument, ...]:
    """A frame as arguments of our scripts."""
    return (frame.count, frame.tag, frame.writer, frame.body, frame.digest, frame.columns)
