"""The loop around a recorder: a stream written down elsewhere, in order, the position moved after it is there."""

from collections.abc import Sequence
from typing import Any

import anyio

from bus.protocol import Commit, Entry, Place
from bus.retry import Backoff
from contracts.errors import CommitRefused, Unavailable
from contracts.events import AnyEvent

from ..parts import Batch, Recorder
from .about import about
from .appetite import Appetite
from .delays import Delays
from .filling import filled, holes
from .groups import single_error
from .home import Home, dead_letter, log, log_gap, outputs
from .lanes.items import Item, Unreadable, items
from .ownership import Ownership

_WAIT_S = 0.2
_MOST_EVENTS = 2_000
_READ_ENTRIES = 2_000


class RecorderRunner:
    """Runs a recorder on one stream, on the partitions that we own."""

    def __init__(self, home: Home, name: str, recorder: Recorder[Any], stream: str) -> None:
        self.home, self.recorder, self.stream = home, recorder, stream
        self.task = f"{name}<{stream}"
        self.positions: dict[int, int] = {}
        self._waiting: dict[int, float] = {}
        self._backoff = Backoff(home.settings.backoff_s, home.settings.backoff_max_s)
        self._ownership = Ownership(home, self.task)
        self._appetite = Appetite(home.settings.read_mb, _READ_ENTRIES)
        self._delays = Delays(home, self.task, stream, self.positions, recorder.late_s)

    async def run(self) -> None:
        """Record until everything stops."""
        # What an earlier try of ours took may not have been opened: it is taken anew.
        self._ownership = Ownership(self.home, self.task)
        self.positions.clear()
        with single_error():
            async with anyio.create_task_group() as group:
                # A record may take longer than a lease.
                group.start_soon(self._ownership.keep)
                group.start_soon(self._delays.watch)
                try:
                    await self._work()
                finally:
                    group.cancel_scope.cancel()
        await self._ownership.leave()

    async def _work(self) -> None:
        while not self.home.stopping:
            if self._ownership.due:
                await self._rebalance()
            await self._cycle()

    async def _rebalance(self) -> None:
        changes = await self._ownership.refresh()
        for partition in changes.lost + changes.surplus:
            self.positions.pop(partition, None)
        for partition in changes.surplus:
            await self._ownership.release(partition)
        for partition, token in changes.gained.items():
            self.positions[partition] = await self._opened(partition, token)

    async def _opened(self, partition: int, token: int) -> int:
        """Shut former owners out; returns where to go on."""
        return int(await self.home.bus.fence(partition, self.task, token) or 0)

    async def _recorded(self, batch: Batch) -> Sequence[AnyEvent]:
        return await self.recorder.record(batch)

    async def _cycle(self) -> None:
        if not self.positions:
            await self.home.sleep(_WAIT_S)
            return
        after = {Place(self.stream, partition): last for partition, last in self.positions.items()}
        found = await self.home.bus.read(after, count=self._appetite.count(len(after)), block_s=_WAIT_S)
        now, ready = self.home.clock.monotonic_s(), False
        for place, entries in found.items():
            self._appetite.fed(entries)
            since = self._waiting.setdefault(place.partition, now)
            full = sum(entry.count for entry in entries) >= _MOST_EVENTS
            if full or now - since >= self.recorder.linger_s:
                ready = True
                position = self.positions[place.partition]
                with about(self.task, place):
                    await self._record(
                        place, await filled(self.home, place, position, self._portion(entries), _MOST_EVENTS)
                    )
        if found and not ready:
            # There is something, but more may come: the blocking read would return at once.
            await self.home.sleep(_WAIT_S)

    @staticmethod
    def _portion(entries: list[Entry]) -> list[Entry]:
        count, chosen = 0, list[Entry]()
        for entry in entries:
            if chosen and count + entry.count > _MOST_EVENTS:
                break
            chosen.append(entry)
            count += entry.count
        return chosen

    async def _record(self, place: Place, entries: Sequence[Entry]) -> None:
        events, letters = self._decoded(place, entries)
        letters = [*self._gaps(place, entries), *letters]
        batch = Batch(place.stream, place.partition, entries[0].first, entries[-1].last, events)
        try:
            receipts = await self._recorded(batch) if events else []
        except CommitRefused as error:
            await self._lost(place, error)
            return
        except Unavailable as error:
            pause = self._backoff.pause()
            self._delays.error = str(error)
            log.warning("recorder waits", task=self.task, cause=str(error), retry_in_s=round(pause, 1))
            await self.home.sleep(pause)
            return
        self._backoff.reset()
        self._delays.error = ""
        self._waiting.pop(place.partition, None)
        await self._commit(place, batch.last, [*letters, *receipts])

    def _gaps(self, place: Place, entries: Sequence[Entry]) -> list[AnyEvent]:
        now, missing = self.home.clock.wall_ns(), holes(self.positions[place.partition], entries)
        return [log_gap(self.task, place, first, found - 1, time=now) for first, found in missing]

    def _decoded(self, place: Place, entries: Sequence[Entry]) -> tuple[list[AnyEvent], list[AnyEvent]]:
        events: list[AnyEvent] = []
        letters: list[AnyEvent] = []
        for item in items(entries, self.task, self.recorder.reads()):
            if isinstance(item, Item):
                events += item.events
            else:
                letters.append(self._letter(place, item))
        return events, letters

    def _letter(self, place: Place, item: Unreadable) -> AnyEvent:
        again, now = item.again, self.home.clock.wall_ns()
        position, at = (again.position, item.position) if again else (item.position, 0)
        return dead_letter(
            self.task, place, position, item.fields, item.error, tries=1, time=now, events=item.count, at=at
        )  # fmt: skip

    async def _commit(self, place: Place, last: int, events: list[AnyEvent]) -> None:
        before = self.positions[place.partition]
        token = self._ownership.held.get(place.partition, 0)
        commit = Commit(place.partition, self.task, token, str(before or ""), str(last), outputs(events, self.task))
        try:
            await self.home.bus.commit(commit)
        except CommitRefused as error:
            await self._lost(place, error)
            return
        self.positions[place.partition] = last

    async def _lost(self, place: Place, error: CommitRefused) -> None:
        log.warning("commit refused", task=self.task, partition=place.partition, cause=str(error))
        self.positions.pop(place.partition)
        await self._ownership.release(place.partition)
