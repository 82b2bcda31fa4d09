"""The loop around a processor: the same for every processor and every stream that it reads."""

from typing import Any

import anyio

from bus.protocol import Entry, Place
from contracts.errors import CommitRefused, Diverged, Rewound

from ...parts import Processor
from ..about import about
from ..appetite import Appetite
from ..appetite import portions as portions
from ..groups import single_error
from ..home import Home, log
from ..ownership import Ownership
from .lane import Lane

#: How long to wait for news in one read: a stop request is seen after that.
_WAIT_S = 0.2


class ProcessorRunner:
    """Runs a processor on one stream, on the partitions that we own."""

    def __init__(self, home: Home, name: str, processor: Processor[Any, Any, Any], stream: str) -> None:
        self.home, self.processor, self.stream = home, processor, stream
        self.task = f"{name}<{stream}"
        self.lanes: dict[int, Lane] = {}
        self._appetite = Appetite(home.settings.read_mb)

    async def run(self) -> None:
        """Work until everything stops; then save, and give the partitions back."""
        ownership = Ownership(self.home, self.task)
        with single_error():
            async with anyio.create_task_group() as group:
                group.start_soon(ownership.keep)
                try:
                    await self._work(ownership)
                finally:
                    self.lanes.clear()
                    group.cancel_scope.cancel()
        await ownership.leave()

    async def _work(self, ownership: Ownership) -> None:
        while not self.home.stopping:
            if ownership.due:
                await self._rebalance(ownership)
            await self._cycle(ownership)
        for partition in list(self.lanes):
            await self._close(partition)

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
            with about(self.task, lane.place):
                await self._open(lane, partition, ownership)
        if changes.gained or changes.lost or changes.surplus:
            log.info("partitions", task=self.task, own=sorted(self.lanes))

    async def _open(self, lane: Lane, partition: int, ownership: Ownership) -> None:
        try:
            await lane.open()
        except CommitRefused as error:
            await self._drop(partition, ownership, error)
        except Diverged as error:
            await self._stop(partition, error)

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
        if isinstance(error, Rewound):
            await self.home.rewound(self.task, partition, error.first, error.last)

    async def _stop(self, partition: int, error: Diverged) -> None:
        # This partition stays with us and stands still: another owner would fare no better.
        log.error("partition stopped", task=self.task, partition=partition, cause=str(error))
        del self.lanes[partition]
        self.home.telemetry.diverged(self.task)
        stored = await self.home.bus.position(partition, self.task)
        await self.home.halted(self.task, Place(self.stream, partition), int(stored or 0), error)

    async def _cycle(self, ownership: Ownership) -> None:
        if not self.lanes:
            await self.home.sleep(_WAIT_S)
            return
        after = {lane.place: lane.position for lane in self.lanes.values()}
        found = await self.home.bus.read(after, count=self._appetite.count(len(after)), block_s=_WAIT_S)
        for place, entries in found.items():
            self._appetite.fed(entries)
            with about(self.task, place, self.lanes[place.partition].bundle):
                await self._handle(place.partition, entries, ownership)
        for partition, lane in list(self.lanes.items()):
            try:
                await lane.save_if_due()
            except CommitRefused as error:
                await self._drop(partition, ownership, error)
        events = sum(entries[-1].last - after[place] for place, entries in found.items())
        if self.processor.linger_s and 0 < events < self.home.settings.read_events:
            await self.home.sleep(self.processor.linger_s)

    async def _handle(self, partition: int, entries: list[Entry], ownership: Ownership) -> None:
        lane = self.lanes[partition]
        try:
            for part in portions(entries, min(self.home.settings.read_events, self.processor.most_events)):
                await lane.step_or_bury(part)
                if ownership.due:
                    return
        except CommitRefused as error:
            await self._drop(partition, ownership, error)
        except Diverged as error:
            await self._stop(partition, error)
