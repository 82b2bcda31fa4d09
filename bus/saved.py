"""The states that a task once had: the snapshots that the bus keeps, and their copies in the archive."""

from dataclasses import dataclass, field

from .archive import Archive
from .protocol import Snapshot, Snapshots


@dataclass
class Saved:
    """Everything that was saved of a log, by partition, task and position."""

    archive: Archive | None = None
    snapshots: Snapshots | None = None
    _kept: dict[tuple[int, str], dict[int, Snapshot]] = field(default_factory=dict)

    async def positions(self, partition: int, task: str) -> list[int]:
        """Where the task's state was saved, in order."""
        archived = await self.archive.checkpoints(partition, task) if self.archive else []
        return sorted({*archived, *await self._of_bus(partition, task)})

    async def load(self, partition: int, task: str, position: int) -> Snapshot:
        """What was saved at one of these positions.

        Raises CorruptEvent when it was damaged since.
        """
        kept = await self._of_bus(partition, task)
        if position in kept or self.archive is None:
            return kept[position]
        return await self.archive.checkpoint(partition, task, position)

    async def _of_bus(self, partition: int, task: str) -> dict[int, Snapshot]:
        if self.snapshots is None:
            return {}
        key = (partition, task)
        if key not in self._kept:
            # Once: a running service goes on saving, and what was seen must still be there when it is loaded.
            self._kept[key] = {int(each.position or 0): each for each in await self.snapshots.snapshots(*key)}
        return self._kept[key]
