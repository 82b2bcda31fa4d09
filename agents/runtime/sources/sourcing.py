"""The loop around a source: readings into the log exactly once, whatever is killed when.

A source's readings go to the partitions of their assets. Each partition keeps the source's last position in it, and
moves it in the same commit as the readings. A second place, on the source's home partition, says where to go on:
it is written after the readings, so a crash repeats some, and those that a partition has already are left out.
A push source cannot repeat: it gets its positions reserved before, and confirms to its sender after.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import anyio
import numpy as np
from numpy.typing import NDArray

from bus.protocol import Commit
from contracts.errors import PositionMoved, Rewound, TocsinError
from contracts.events import ReadingsAcquired, SourceFailed, SourceFinished
from contracts.identity import partition_of
from contracts.readings import Series
from contracts.remembered import Remembered

from ...parts import Harvest, Source
from ..groups import single_error
from ..home import Home, log, outputs
from .backpressure import Brakes, Reader
from .marks import Mark
from .receipts import Receipts

#: How often a source that can repeat says where to go on.
_RESUME_S = 1.0
_STANDBY_S = 0.5
#: Partitions that one look for lost readings asks after.
_LOOKED_AT = 64


class SourceRunner:
    """Runs one source, in one process of the fleet at a time."""

    def __init__(
        self, home: Home, agent: str, name: str, source: Source, readers: Sequence[Reader], most_lag: int = 5_000_000
    ) -> None:
        self.home, self.agent, self.name, self.source = home, agent, name, source
        self.task = f"source:{name}"
        self.brakes = Brakes(home, agent, name, readers, most_lag)
        self.center = home.home_partition(self.task)
        self.finished = False
        self.failure = ""
        self.readings = 0
        self.share: float | None = None
        self._token = 0
        self._mark, self._stored_mark = Mark(), ""
        self._cursors: dict[int, str] = {}
        self._partitions: Remembered[NDArray[np.int32]] = Remembered()
        self._resume_after = self._renew_after = 0.0
        self._look_at = 0

    # ---- life

    async def run(self) -> None:
        """Read the source to its end, or until everything stops.

        A source with an end that cannot be read is given up, with an event that says why. Raises SourceError for an
        endless one: it is tried again later.
        """
        if not await self._own():
            return
        resume = await self._open()
        try:
            if self._mark.finished:
                self.finished = True
            else:
                await self._read(resume)
        except SourceError as error:
            if self.source.endless:
                raise
            self.failure = str(error)
            await self._tell_failure()
        await self.home.bus.release(self.center, self.task, self.home.owner, self._token)

    async def _tell_failure(self) -> None:
        log.error("source given up", source=self.name, cause=self.failure)
        time = self.home.clock.wall_ns()
        event = SourceFailed.of(
            cause=self.name, time=time, asset=self.agent, source=self.name, error=self.failure[:1000]
        )
        await self.home.tell(self.center, self.agent, event)

    async def _own(self) -> bool:
        """Wait until the source is ours; False when we are stopped first."""
        bus, owner, clock = self.home.bus, self.home.owner, self.home.clock.monotonic_s
        sign, since = "", clock()
        while not self.home.stopping:
            seen = sign if clock() - since > self.home.settings.lease_s else None
            token = await bus.acquire(self.center, self.task, owner, seen=seen)
            if token is not None:
                self._token = token
                return True
            found = await bus.sign(self.center, self.task)
            if found != sign:
                sign, since = found, clock()
            await self.home.sleep(_STANDBY_S)
        return False

    async def _open(self) -> str | None:
        """Fence former owners off everywhere, learn how far they came, and return where to go on."""
        bus = self.home.bus
        await bus.check()
        for partition in range(bus.partitions):
            self._cursors[partition] = await bus.fence(partition, self.task, self._token)
        self._stored_mark = await bus.fence(self.center, f"{self.task}/resume", self._token)
        self._mark = mark = Mark.parse(self._stored_mark)
        self.readings = mark.readings
        stored = {partition: int(cursor) for partition, cursor in self._cursors.items() if cursor}
        lost = mark.lost(stored)
        for partition, (first, last) in lost.items():
            await self.home.rewound(self.task, partition, first, last, refed=self.source.repeats)
        if not self.source.repeats:
            # Only a mark that was lost can be behind the readings. Numbers that were given out are not given again:
            # new readings with old numbers would be taken for repeated ones.
            self._mark = replace(mark, shift=mark.shift + max(0, max(stored.values(), default=-1) - mark.most))
        elif lost:
            self._mark = mark.back(min(first for first, _ in lost.values()))
            self.readings = self._mark.readings
        return self._mark.resume

    async def _read(self, resume: str | None) -> None:
        with single_error():
            async with anyio.create_task_group() as group:
                receipts = Receipts(self.home)
                group.start_soon(receipts.run)
                resume = await self._take_all(resume, receipts)
                await receipts.close()
        if resume is None and not self.finished:
            return
        await self._remember(self._mark_at(resume or ""), finished=self.finished)

    async def _take_all(self, resume: str | None, receipts: Receipts) -> str | None:
        """Take harvests until the source ends or everything stops; returns where to go on."""
        async with aclosing(self._harvests(resume)) as harvests:
            async for harvest in harvests:
                await self._take(harvest, receipts)
                resume = harvest.resume
                if self.home.stopping:
                    break
            else:
                self.finished = not self.home.stopping
        return resume

    async def _harvests(self, resume: str | None) -> AsyncGenerator[Harvest, None]:
        """The source's harvests, its own errors told apart from ours."""
        async with aclosing(cast(AsyncGenerator[Harvest, None], self.source.harvests(self.name, resume))) as source:
            while (harvest := await self._next(source)) is not None:
                yield harvest

    async def _next(self, source: AsyncGenerator[Harvest, None]) -> Harvest | None:
        """The next harvest; None at the end, or when everything stops before it comes."""
        harvest: Harvest | None = None
        failure: Exception | None = None
        with single_error():
            async with anyio.create_task_group() as group:
                group.start_soon(self._stay, group.cancel_scope)
                try:
                    harvest = await anext(source, None)
                except Exception as error:  # noqa: BLE001 - whatever a source raises is its own error
                    failure = error
                group.cancel_scope.cancel()
        if failure is not None:
            raise SourceError(f"{self.name}: {describe(failure)}") from failure
        return harvest

    async def _stay(self, scope: anyio.CancelScope) -> None:
        """Give signs of life while a source is quiet, and end the wait for it when everything stops."""
        while not self.home.stopping:
            await self.home.sleep(self.home.settings.lease_s / 3)
            if not self.home.stopping:
                await self._renew()
                await self._look_back()
        scope.cancel()

    # ---- readings

    async def _take(self, harvest: Harvest, receipts: Receipts) -> None:
        if self._mark.shift:
            moved = harvest.readings.position + self._mark.shift
            harvest = replace(harvest, readings=replace(harvest.readings, position=moved))
        try:
            if harvest.settled is not None:
                most = max([self._mark.most, *harvest.readings.position[-1:].tolist()])
                await self._remember(replace(self._mark_at(harvest.resume), most=most, past=()))
            await self._commit(harvest)
        except BaseException as error:
            if harvest.settled is not None:
                harvest.settled(error)
            raise
        self.readings += len(harvest.readings)
        self.share = harvest.share
        if harvest.settled is not None:
            receipts.owe(harvest.settled)
        now = self.home.clock.monotonic_s()
        if harvest.settled is None and now >= self._resume_after:
            await self._remember(self._mark_at(harvest.resume))
            self._resume_after = now + _RESUME_S
        if now >= self._renew_after:
            await self._renew()
            self._renew_after = now + self.home.settings.lease_s / 3
        await self.brakes.hold(self._renew)

    async def _commit(self, harvest: Harvest) -> None:
        readings = harvest.readings
        partition = self._partitions.of(readings.series, self._by_series)[readings.code]
        with single_error():
            async with anyio.create_task_group() as group:
                for number in np.unique(partition).tolist():
                    cursor = int(self._cursors[number] or -1)
                    rows = np.flatnonzero((partition == number) & (readings.position > cursor))
                    if len(rows):
                        group.start_soon(self._commit_partition, number, ReadingsAcquired(readings.take(rows)))

    def _by_series(self, series: tuple[Series, ...]) -> NDArray[np.int32]:
        return np.array([partition_of(each.asset, self.home.bus.partitions) for each in series], np.int32)

    async def _commit_partition(self, partition: int, event: ReadingsAcquired) -> None:
        position = str(int(event.readings.position[-1]))
        commit = Commit(
            partition,
            self.task,
            self._token,
            self._cursors[partition],
            position,
            outputs([event], self.agent),
        )
        await self.home.bus.commit(commit)
        self._cursors[partition] = position

    def _mark_at(self, resume: str) -> Mark:
        """The mark of a source that has come to ``resume``, with everything before it in the log."""
        cursors = {partition: int(cursor) for partition, cursor in self._cursors.items() if cursor}
        most = max([self._mark.most, *cursors.values()])
        return self._mark.moved(resume, self.readings, most, cursors)

    async def _remember(self, mark: Mark, *, finished: bool = False) -> None:
        """Store where to go on, and once that this is the end."""
        mark = replace(mark, finished=finished)
        text = mark.text()
        if text == self._stored_mark:
            return
        news = []
        if finished:
            event = SourceFinished.of(
                cause=self.name,
                time=self.home.clock.wall_ns(),
                asset=self.agent,
                source=self.name,
                readings=self.readings,
            )
            news = outputs([event], self.agent)
        task = f"{self.task}/resume"
        await self.home.bus.commit(Commit(self.center, task, self._token, self._stored_mark, text, news))
        self._mark, self._stored_mark = mark, text

    # ---- manners

    async def _renew(self) -> None:
        if not await self.home.bus.renew(self.center, self.task, self.home.owner, self._token):
            raise PositionMoved(f"{self.task} was taken over by another process", "")

    async def _look_back(self) -> None:
        """Look whether the log still has what we wrote, some partitions at a time.

        Raises Rewound when it has not: a quiet source would not notice before its next reading.
        """
        count = self.home.bus.partitions
        for number in range(min(count, _LOOKED_AT)):
            partition = (self._look_at + number) % count
            cursor, found = int(self._cursors[partition] or -1), -1
            if cursor >= 0:
                found = int(await self.home.bus.position(partition, self.task) or -1)
            # A commit may have been under way: only one that is older than ours is strange.
            if found < cursor:
                text = f"{self.task} had come to {cursor} in partition {partition}, which now ends at {found}"
                raise Rewound(text, str(found), partition=partition, first=found + 1, last=cursor)
        self._look_at = (self._look_at + _LOOKED_AT) % count


class SourceError(Exception):
    """A source raised: what it reads cannot be read."""


def describe(error: BaseException) -> str:
    """A source's error for its event: what and, where known, the mend."""
    return str(error) if isinstance(error, TocsinError) else f"{type(error).__name__}: {error}"
