"""Copies of the agents' state in the archive, now and then: a replay of the past begins at one of them."""

from collections.abc import Iterable

from bus.archive import Archive
from bus.protocol import Snapshot
from contracts.settings import ARCHIVE, ArchiveSettings

from ..home import Home


class Keeper:
    """Copies snapshots into the archive, on the partitions that the archive's owner names."""

    def __init__(self, home: Home, archive: Archive, settings: ArchiveSettings) -> None:
        self.home, self.archive, self.settings = home, archive, settings
        self._due: dict[int, float] = {}

    async def open(self, partition: int) -> None:
        """Remove copies that are ahead of the log: it lost its end, and may go on another way."""
        for task, position in (await self.home.bus.positions(partition)).items():
            if _has_state(task):
                await self.archive.drop_checkpoints(partition, task, after=int(position or 0))

    async def look(self, partitions: Iterable[int]) -> None:
        """Copy the newest snapshots of a partition whose time has come; of one only, it takes a while."""
        now = self.home.clock.monotonic_s()
        for partition in partitions:
            if now >= self._due.get(partition, now) and (fresh := await self._fresh(partition)):
                # What is copied must not be ahead of the server's disk: a power loss would make it a state of a log
                # that never was.
                await self.home.bus.persist()
                for task, snapshot in fresh.items():
                    await self.archive.keep(partition, task, snapshot, most=self.settings.keep_checkpoints)
                self._due[partition] = now + self.settings.checkpoint_s
                return

    async def _fresh(self, partition: int) -> dict[str, Snapshot]:
        """The newest snapshot of every task that moved on since its last copy."""
        found = {}
        for task in filter(_has_state, await self.home.bus.positions(partition)):
            copies = await self.archive.checkpoints(partition, task)
            for snapshot in (await self.home.bus.snapshots(partition, task))[:1]:
                if not copies or int(snapshot.position) > copies[-1]:
                    found[task] = snapshot
        return found


def _has_state(task: str) -> bool:
    return "<" in task and not task.startswith(f"{ARCHIVE}<")
