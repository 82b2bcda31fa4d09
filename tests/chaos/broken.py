"""Buses that are wrong on purpose. Each stands for an implementation that is in use somewhere.

They are built from the right one by its public methods, so that they stay wrong in the same way when it changes.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import anyio

from bus import keys
from bus.protocol import Commit, Delivery, Entry, Place, Snapshot
from bus.redis.bus import RedisBus
from contracts.errors import PositionMoved
from contracts.frames import Frame

#: What two requests one after the other take on a slow network.
_BETWEEN_S = 0.01


class OutputsFirst(RedisBus):
    """Outputs, and then the position, in two steps."""

    async def commit(self, commit: Commit) -> None:
        if await self.position(commit.partition, commit.task) != commit.expected:
            raise PositionMoved("moved", "")
        for stream, frame in commit.outputs:
            await self.append(Place(stream, commit.partition), [frame])
        await anyio.sleep(_BETWEEN_S)
        await super().commit(replace(commit, outputs=()))


class PositionFirst(RedisBus):
    """The position, and then the outputs, in two steps."""

    async def commit(self, commit: Commit) -> None:
        await super().commit(replace(commit, outputs=()))
        await anyio.sleep(_BETWEEN_S)
        for stream, frame in commit.outputs:
            await self.append(Place(stream, commit.partition), [frame])


class NoCompare(RedisBus):
    """The token is compared, the position is not."""

    async def commit(self, commit: Commit) -> None:
        found = await self.position(commit.partition, commit.task)
        if found == commit.position:
            # Forget it: then the commit moves something, as it would without a comparison.
            await self._server.call("HDEL", keys.ledger(commit.partition), f"position:{commit.task}")
            found = ""
        await super().commit(replace(commit, expected=found))


class NoToken(RedisBus):
    """The position is compared, the token is not."""

    async def commit(self, commit: Commit) -> None:
        newest = await self._server.call("HGET", keys.ledger(commit.partition), f"token:{commit.task}")
        await super().commit(replace(commit, token=max(commit.token, int(newest or 0))))


class StartAtEnd(RedisBus):
    """A new owner begins with what comes from now on."""

    async def fence(self, partition: int, task: str, token: int) -> str:
        found = await super().fence(partition, task, token)
        _, _, stream = task.partition("<")
        if not stream:
            return found
        end = (await self.ends([Place(stream, partition)]))[Place(stream, partition)]
        if end <= int(found or 0):
            return found
        await super().commit(Commit(partition, task, token, found, str(end)))
        return str(end)


class SnapshotAsIs(RedisBus):
    """A snapshot is taken for the state at the committed position, whatever its own position is."""

    async def snapshots(self, partition: int, task: str) -> list[Snapshot]:
        stored = await self.position(partition, task)
        return [replace(found, position=stored) for found in await super().snapshots(partition, task)]


class ReceiptFirst(RedisBus):
    """The receipts, and then the acknowledgement, in two steps."""

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        for stream, frame in outputs:
            await self.append(Place(stream, place.partition), [frame])
        await anyio.sleep(_BETWEEN_S)
        return await super().settle(group, place, entry)


class AckFirst(RedisBus):
    """The acknowledgement, and then the receipts, in two steps."""

    async def settle(self, group: str, place: Place, entry: Entry, outputs: Sequence[tuple[str, Frame]] = ()) -> bool:
        done = await super().settle(group, place, entry)
        await anyio.sleep(_BETWEEN_S)
        for stream, frame in outputs if done else ():
            await self.append(Place(stream, place.partition), [frame])
        return done


class OwnForgotten(RedisBus):
    """What a consumer was given in an earlier life is not asked for, and what the dead had is not claimed."""

    async def unsettled(self, group: str, consumer: str, place: Place, *, count: int, after: int = 0) -> list[Delivery]:
        return []

    async def claim(
        self,
        group: str,
        consumer: str,
        place: Place,
        *,
        idle_s: float,
        count: int,
        of: Collection[str] | None = None,
    ) -> list[Delivery]:
        return []


BROKEN: dict[str, type[RedisBus]] = {
    "outputs-first": OutputsFirst,
    "position-first": PositionFirst,
    "no-compare": NoCompare,
    "no-token": NoToken,
    "start-at-end": StartAtEnd,
    "snapshot-as-is": SnapshotAsIs,
    "receipt-first": ReceiptFirst,
    "ack-first": AckFirst,
    "own-forgotten": OwnForgotten,
}
