"""The loop around a processor: the same for every processor and every stream that it reads."""

from typing import Any

from bus.protocol import Entry, Place
from contracts.errors import CommitRefused, Diverged

from ..parts import Processor
from .home import Home, log
from .lane import Lane
from .ownership import Ownership

#: How long to wait for news in one read: a stop request is seen after that.
_WAIT_S = 0.2
#: Entries of one partition in one read; the number of events is bounded by the settings as well.
_READ_ENTRIES = 500


class ProcessorRunner:
    """Runs a processor on one stream, on the partitions that we own."""

    def __init__(self, home: Home, name: str, processor: Processor[Any, Any, Any], stream: str) -> None:
        self.home, self.processor, self.stream = home, processor, stream
        self.task = f"{name}<{stream}"
        self.lanes: dict[int, Lane] = {}

    async def run(self) -> None:
        """Work until everything stops; then save, and give the partitions back."""
        ownership = Ownership(self.home, self.task)
        try:
            while not self.home.stopping:
                if ownership.due:
                    await self._rebalance(ownership)
                await self._cycle(ownership)
            for partition in list(self.lanes):
                await self._close(partition)
        finally:
            self.lanes.clear()
        await ownership.leave()

    async def _rebalance(self, ownership: Ownership) -> None:
        changes = await ownership.refresh()
        for partition in changes.lost:
            self.lanes.pop(partition, None)
        for partition in changes.surplus:
            await self._close(partition)
            await ownership.release(partition)
        for partition, token in changes.gained.items():
            lane = Lane(self.home, self.processor, self.task, Place(self.stream, partition), token)
            self.lanes[partition] = lane
            try:
                await lane.open()
            except CommitRefused as error:
                await self._drop(partition, ownership, error)
            except Diverged as error:
                # This partition stays with us and stands still: another owner would fare no better.
                log.error("partition stopped", task=self.task, partition=partition, cause=str(error))
                del self.lanes[partition]
                await self.home.failed(self.task, error)
        if changes.gained or changes.lost or changes.surplus:
            log.info("partitions", task=self.task, own=sorted(self.lanes))

    async def _close(self, partition: int) -> None:
        lane = self.lanes.pop(partition, None)
        if lane is not None:
            try:
                await lane.save_if_due(now=True)
            except CommitRefused as error:
                log.warning("snapshot refused", task=self.task, partition=partition, cause=str(error))

    async def _drop(self, partition: int, ownership: Ownership, error: CommitRefused) -> None:
        # Somebody newer owns it, or moved it: what we hold is worth nothing any more.
        log.warning("commit refused", task=self.task, partition=partition, cause=str(error))
        del self.lanes[partition]
        await ownership.release(partition)

    async def _cycle(self, ownership: Ownership) -> None:
        if not self.lanes:
            await self.home.sleep(_WAIT_S)
            return
        after = {lane.place: lane.position for lane in self.lanes.values()}
        found = await self.home.bus.read(after, count=_READ_ENTRIES, block_s=_WAIT_S)
        for place, entries in found.items():
            lane = self.lanes[place.partition]
            try:
                for part in portions(entries, self.home.settings.read_events):
                    await lane.step_or_bury(part)
                    if ownership.due:
                        break
            except CommitRefused as error:
                await self._drop(place.partition, ownership, error)
        for partition, lane in list(self.lanes.items()):
            try:
                await lane.save_if_due()
            except CommitRefused as error:
                await self._drop(partition, ownership, error)


def portions(entries: list[Entry], events: int) -> list[list[Entry]]:
    """Entries in portions of about ``events`` events, at least one entry each."""
    out: list[list[Entry]] = []
    room = 0
    for entry in entries:
        if not out or entry.count > room:
            out.append([])
            room = events
        out[-1].append(entry)
        room -= entry.count
    return out
