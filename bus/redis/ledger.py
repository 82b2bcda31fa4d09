"""Commits on Redis: one script per step, on the slot of the partition."""

from collections.abc import Sequence
from itertools import groupby

from contracts.errors import Fenced
from contracts.frames import Frame

from .. import keys
from ..moved import moved
from ..protocol import Commit, Former, Place
from .server import Argument, Servers


class RedisLedger:
    """The Ledger part of the bus."""

    def __init__(self, server: Servers) -> None:
        self._server = server

    async def commit(self, commit: Commit) -> None:
        streams, frames = in_script(commit.partition, commit.outputs)
        arguments: list[Argument] = [commit.task, commit.token, commit.expected, commit.position, *frames]
        check(commit, await self._server.script("commit", [keys.ledger(commit.partition), *streams], arguments))

    async def fence(self, partition: int, task: str, token: int) -> str:
        reply = await self._server.script("fence", [keys.ledger(partition)], [task, token])
        if reply[0] == b"FENCED":
            raise fenced(task, partition, token, reply[1])
        return str(reply[1].decode())

    async def begin(self, partition: int, task: str, token: int, life: str) -> Former:
        return await self._attempt(partition, task, token, "life", life)

    async def attempt(self, partition: int, task: str, token: int, tried: str) -> None:
        await self._attempt(partition, task, token, "tried", tried)

    async def _attempt(self, partition: int, task: str, token: int, what: str, text: str) -> Former:
        reply = await self._server.script("attempt", [keys.ledger(partition)], [task, token, what, text])
        if reply[0] == b"FENCED":
            raise fenced(task, partition, token, reply[1])
        return Former(reply[1].decode(), reply[2].decode())

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
        await self._server.persist()

    async def append(self, place: Place, frames: Sequence[Frame]) -> int:
        if not frames:
            return int(await self._server.call("HGET", keys.ledger(place.partition), f"end:{place.stream}") or 0)
        streams, arguments = in_script(place.partition, [(place.stream, frame) for frame in frames])
        return int(await self._server.script("append", [keys.ledger(place.partition), *streams], arguments))


def check(commit: Commit, reply: Sequence[bytes]) -> None:
    """Whether a commit was applied, now or by an earlier try of it. Raises Fenced or PositionMoved."""
    if reply[0] == b"FENCED":
        raise fenced(commit.task, commit.partition, commit.token, reply[1])
    if reply[0] == b"MOVED":
        found = reply[1].decode()
        # Only the owner of this token can have moved it there: an earlier try of this commit was applied, and its
        # reply was lost.
        if found != commit.position:
            raise moved(commit, found)


def fenced(task: str, partition: int, token: int, seen: bytes) -> Fenced:
    """The error of an owner that was shut out."""
    return Fenced(f"{task} on partition {partition}: token {token} was fenced off by {seen.decode()}")


def in_script(partition: int, outputs: Sequence[tuple[str, Frame]]) -> tuple[list[str], list[Argument]]:
    """Frames as keys and arguments of our scripts; see frames.lua."""
    numbers: dict[str, int] = {}
    arguments: list[Argument] = []
    for (stream, kind, version, writer, trace, columns), group in groupby(outputs, key=_in_common):
        frames = [frame for _, frame in group]
        number = numbers.setdefault(stream, len(numbers) + 1)
        arguments += (number, len(frames), f"{kind}/{version}", writer, trace, int(columns))
        for frame in frames:
            arguments += (frame.count, frame.body, frame.digest)
            if columns:
                arguments.append(frame.columns)
    return [keys.stream(Place(stream, partition)) for stream in numbers], [*numbers, *arguments]


def _in_common(output: tuple[str, Frame]) -> tuple[str, str, int, str, str, bool]:
    """What neighbours share, so that it goes over the wire once."""
    stream, frame = output
    return stream, frame.type, frame.version, frame.writer, frame.trace, bool(frame.columns)
