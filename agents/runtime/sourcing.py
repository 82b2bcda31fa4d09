"""The loop around a source: readings into the log exactly once, whatever is killed when.

A source's readings go to the partitions of their assets. Each partition keeps the source's last position in it, and
moves it in the same commit as the readings. A second place, on the source's home partition, says where to go on:
it is written after the readings, so a crash repeats some, and those that a partition has already are left out.
A push source cannot repeat: it gets its positions reserved before, and confirms to its sender after.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import anyio
import numpy as np

from bus.protocol import Commit, Place
from contracts.errors import PositionMoved, TocsinError
from contracts.events import ReadingsAcquired, SourceFailed, SourceFinished
from contracts.identity import partition_of

from ..parts import Harvest, Source
from .groups import single_error
from .home import Home, log, outputs
from .receipts import Receipts

#: How often a source that can repeat says where to go on.
_RESUME_S = 1.0
#: A look at how far the readers are behind costs a round trip.
_LAG_EVERY_S = 0.5
_STANDBY_S = 0.5
#: Share of the server's memory at which sources stop.
MOST_FULL = 0.85


class SourceRunner:
    """Runs one source, in one process of the fleet at a time."""

    def __init__(
        self, home: Home, agent: str, name: str, source: Source, readers: list[str], most_lag: int = 5_000_000
    ) -> None:
        self.home, self.agent, self.name, self.source = home, agent, name, source
        self.task = f"source:{name}"
        self.readers, self.most_lag = readers, most_lag
        self.center = home.home_partition(self.task)
        self.finished = False
        self.failure = ""
        self.readings = 0
        self._token = 0
        self._mark = ""
        self._cursors: dict[int, str] = {}
        self._resume_after = self._renew_after = self._lag_after = 0.0

    # ---- life

    async def run(self) -> None:
        """Read the source to its end, or until everything stops.

        A source with an end that cannot be read is given up, with an event that says why. Raises SourceError for an
        endless one: it is tried again later.
        """
        if not await self._own():
            return
        mark = await self._open()
        try:
            if mark.get("finished"):
                self.finished = True
            else:
                await self._read(mark.get("resume"))
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

    async def _open(self) -> dict[str, str]:
        """Fence former owners off everywhere, and learn how far they came."""
        bus = self.home.bus
        await bus.check()
        for partition in range(bus.partitions):
            self._cursors[partition] = await bus.fence(partition, self.task, self._token)
        self._mark = await bus.fence(self.center, f"{self.task}/resume", self._token)
        mark: dict[str, str] = json.loads(self._mark) if self._mark else {}
        self.readings = int(mark.get("readings", 0))
        return mark

    async def _read(self, resume: str | None) -> None:
        with single_error():
            async with anyio.create_task_group() as group:
                receipts = Receipts(self.home)
                group.start_soon(receipts.run)
                resume = await self._take_all(resume, receipts)
                await receipts.close()
        if resume is None and not self.finished:
            return
        await self._remember(resume or "", finished=self.finished)

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
        scope.cancel()

    # ---- readings

    async def _take(self, harvest: Harvest, receipts: Receipts) -> None:
        try:
            if harvest.settled is not None:
                await self._remember(harvest.resume)
            await self._commit(harvest)
        except BaseException as error:
            if harvest.settled is not None:
                harvest.settled(error)
            raise
        self.readings += len(harvest.readings)
        if harvest.settled is not None:
            receipts.owe(harvest.settled)
        now = self.home.clock.monotonic_s()
        if harvest.settled is None and now >= self._resume_after:
            await self._remember(harvest.resume)
            self._resume_after = now + _RESUME_S
        if now >= self._renew_after:
            await self._renew()
            self._renew_after = now + self.home.settings.lease_s / 3
        if now >= self._lag_after:
            await self._wait_for_readers()
            self._lag_after = self.home.clock.monotonic_s() + _LAG_EVERY_S

    async def _commit(self, harvest: Harvest) -> None:
        readings, count = harvest.readings, self.home.bus.partitions
        by_series = np.array([partition_of(series.asset, count) for series in readings.series], np.int32)
        partition = by_series[readings.code]
        with single_error():
            async with anyio.create_task_group() as group:
                for number in np.unique(partition).tolist():
                    cursor = int(self._cursors[number] or -1)
                    rows = np.flatnonzero((partition == number) & (readings.position > cursor))
                    if len(rows):
                        group.start_soon(self._commit_partition, number, ReadingsAcquired(readings.take(rows)))

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

    async def _remember(self, resume: str, *, finished: bool = False) -> None:
        """Store where to go on, and once that this is the end."""
        mark = json.dumps({"resume": resume, "readings": str(self.readings), **({"finished": "1"} if finished else {})})
        if mark == self._mark:
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
        await self.home.bus.commit(Commit(self.center, f"{self.task}/resume", self._token, self._mark, mark, news))
        self._mark = mark

    # ---- manners

    async def _renew(self) -> None:
        if not await self.home.bus.renew(self.center, self.task, self.home.owner, self._token):
            raise PositionMoved(f"{self.task} was taken over by another process", "")

    async def _wait_for_readers(self) -> None:
        """Stop rather than fill the server: wait while any reader is far behind, or memory is short.

        What is in the log needs room for what follows from it.
        """
        announced = False
        while not self.home.stopping:
            lag, full = await self._lag(), await self.home.bus.fullness()
            if lag <= self.most_lag and full <= MOST_FULL:
                return
            if not announced:
                log.warning("source waits", source=self.name, readers_behind=lag, memory_used=round(full, 2))
                announced = True
            await self.home.sleep(_LAG_EVERY_S)
            await self._renew()

    async def _lag(self) -> int:
        bus, worst = self.home.bus, 0
        places = [Place(ReadingsAcquired.stream, number) for number in range(bus.partitions)]
        ends = await bus.ends(places)
        for reader in self.readers:
            for place, end in ends.items():
                if end:
                    worst = max(worst, end - int(await bus.position(place.partition, reader) or 0))
        return worst


class SourceError(Exception):
    """A source raised: what it reads cannot be read."""


def describe(error: BaseException) -> str:
    """A source's error for its event: what and, where known, the mend."""
    return str(error) if isinstance(error, TocsinError) else f"{type(error).__name__}: {error}"
