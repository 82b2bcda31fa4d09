"""A processor on one stream of one partition: read, handle, commit; recover from a snapshot and the log."""

from collections.abc import Sequence
from typing import Any

from anyio import to_thread

from bus.protocol import Commit, Entry, Place, Snapshot
from contracts.errors import Diverged, TocsinError, TooLarge, UnreadableEvent
from contracts.events import AnyEvent, ReadingsEvent
from contracts.frames import decode, encode
from contracts.readings import joined

from ..parts import Processor
from ..state import dump, restore
from .home import Home, dead_letter, log, log_gap, outputs

#: Up to so many events the work is done at once: going to a thread and back costs more.
_INLINE_EVENTS = 64
#: Entries in one read while state is recovered.
_REPLAY_ENTRIES = 256
#: A save may cost this share of the time between two saves.
_SAVE_SHARE = 0.02


class Lane:
    """State and position of a processor on one place."""

    def __init__(self, home: Home, processor: Processor[Any, Any, Any], task: str, place: Place, token: int) -> None:
        self.home, self.processor, self.task, self.place, self.token = home, processor, task, place, token
        self.position = 0
        self.state: Any = None
        self.handled = 0
        self._wanted = tuple(processor.reads())
        self._saved_position, self._save_after = -1, 0.0
        self._careful = False

    # ---- recovery

    async def open(self) -> None:
        """Fence former owners off, and bring the state to the committed position.

        Raises Fenced when a newer owner is there already, Diverged when the log has a hole.
        """
        await self.home.bus.check()
        stored = int(await self.home.bus.fence(self.place.partition, self.task, self.token) or 0)
        try:
            await self._recover(stored)
        except Poisoned:
            # An event that was buried once is met again, and has spoilt the state.
            self._careful = True
            try:
                await self._recover(stored)
            finally:
                self._careful = False
        self._save_after = self.home.clock.monotonic_s() + self.home.settings.snapshot_s

    async def _recover(self, stored: int) -> None:
        self.position, self.state = 0, self.processor.start()
        for snapshot in await self.home.bus.snapshots(self.place.partition, self.task):
            # One that is ahead of the log belongs to a log that lost its end.
            if int(snapshot.position) <= stored and self._loaded(snapshot):
                break
        self._saved_position = self.position
        while self.position < stored:
            await self._replay(stored)

    def _loaded(self, snapshot: Snapshot) -> bool:
        try:
            self.state = restore(self.processor.start(), snapshot.data)
        except TocsinError as error:
            log.warning("snapshot not usable", task=self.task, partition=self.place.partition, cause=str(error))
            self.state = self.processor.start()
            return False
        self.position = int(snapshot.position)
        return True

    async def _replay(self, stored: int) -> None:
        entries = await self.home.bus.range(self.place, self.position + 1, stored, count=_REPLAY_ENTRIES)
        for expected, found in self._holes(entries) if entries else [(self.position + 1, "nothing")]:
            raise Diverged(
                f"{self.task}: {self.place.stream} of partition {self.place.partition} should go on at "
                f"{expected}, found {found}",
                mend="Entries were deleted that were still needed: restore the server's data from a backup",
            )
        # What comes out was committed before: only the state is wanted. An entry that was a dead letter is one again.
        await to_thread.run_sync(self._outcome, entries)
        self.position = entries[-1].last

    # ---- work

    async def step(self, entries: Sequence[Entry]) -> int:
        """Handle entries that follow the position and commit what comes out; returns the number of events."""
        expected = str(self.position) if self.position else ""
        now = self.home.clock.wall_ns()
        gaps = [log_gap(self.task, self.place, first, found - 1, time=now) for first, found in self._holes(entries)]
        last = entries[-1].last
        if last - self.position > _INLINE_EVENTS:
            # A thread, so that leases are renewed and other agents are served meanwhile.
            outcome = await to_thread.run_sync(self._outcome, entries)
        else:
            outcome = self._outcome(entries)
        await self.home.bus.commit(
            Commit(
                self.place.partition, self.task, self.token, expected, str(last), outputs([*gaps, *outcome], self.task)
            )
        )
        count = last - self.position
        self.position = last
        self.handled += count
        if gaps:
            # A recovery that begins before the gap would find what is missing, and stop.
            await self.save_if_due(now=True)
        return count

    def _holes(self, entries: Sequence[Entry]) -> list[tuple[int, int]]:
        """Where entries do not follow each other: the ordinal that should come, and the one that does."""
        expected = [self.position + 1, *(entry.last + 1 for entry in entries)]
        return [
            (ordinal, entry.first) for ordinal, entry in zip(expected, entries, strict=False) if entry.first != ordinal
        ]

    def _outcome(self, entries: Sequence[Entry]) -> list[AnyEvent]:
        """What follows from the entries, dead letters for what could not be handled included."""
        found: list[AnyEvent] = []
        for batch in self._batches(entries, found):
            # Saving the state first would cost more than the work: it is only done where something failed before.
            found += self._handled(batch)
        return found

    def _batches(self, entries: Sequence[Entry], found: list[AnyEvent]) -> list[AnyEvent]:
        """The events of the entries, neighbouring readings as one batch; unreadable entries go to ``found``."""
        events: list[AnyEvent] = []
        run: list[ReadingsEvent] = []
        for entry in entries:
            try:
                decoded = decode(entry.frame(), entry.last)
            except UnreadableEvent as error:
                log.error("entry not readable", task=self.task, position=entry.last, cause=str(error))
                found.append(self._letter(entry.last, dict(entry.fields), error, time=0))
                continue
            for event in decoded:
                if not isinstance(event, self._wanted):
                    continue
                if isinstance(event, ReadingsEvent):
                    if run and (type(run[0]) is not type(event) or run[-1].readings.last + 1 != event.readings.first):
                        events.append(_one(run))
                        run = []
                    run.append(event)
                    continue
                if run:
                    events.append(_one(run))
                    run = []
                events.append(event)
        return [*events, _one(run)] if run else events

    def _handled(self, event: AnyEvent) -> list[AnyEvent]:
        before = dump(self.state) if self._careful else None
        try:
            found = list(self.processor.handle(event, self.state))
            if before is not None:
                # What cannot be written is as bad as what cannot be computed.
                outputs(found, self.task)
            return found
        except Exception as error:
            if before is None:
                raise Poisoned(error) from error
            self.state = restore(self.processor.start(), before)
            return self._isolated(event, error)

    def _isolated(self, event: AnyEvent, error: Exception) -> list[AnyEvent]:
        """Halve a batch until the reading that cannot be handled stands alone, and bury that one."""
        if isinstance(event, ReadingsEvent) and len(event) > 1:
            half = (len(event) + 1) // 2
            return [out for part in event.readings.cut(half) for out in self._handled(type(event)(part))]
        frame = next(iter(encode([event], self.task)))
        position = event.readings.first if isinstance(event, ReadingsEvent) else 0
        time = int(event.readings.time[0]) if isinstance(event, ReadingsEvent) else event.time
        log.error("event buried as a dead letter", task=self.task, position=position, cause=repr(error))
        return [self._letter(position, frame.fields(), error, time=time)]

    async def step_or_bury(self, entries: Sequence[Entry]) -> int:
        """As ``step``; where the processor raises, recover the state, and bury the event that it cannot handle."""
        try:
            return await self.step(entries)
        except (Poisoned, TooLarge) as poison:
            cause = poison.__cause__ or poison
            log.error("processor raised", task=self.task, partition=self.place.partition, cause=repr(cause))
        await self.open()
        self._careful = True
        try:
            return await self.step(entries)
        finally:
            self._careful = False

    def _letter(self, position: int, frame: dict[bytes, bytes], error: BaseException, *, time: int) -> AnyEvent:
        return dead_letter(self.task, self.place, position, frame, error, tries=2, time=time)

    # ---- snapshots

    async def save_if_due(self, *, now: bool = False) -> None:
        """Save the state when it is time to; off the commit, and never so often that it costs much."""
        clock = self.home.clock.monotonic_s
        if self.position == self._saved_position or not (now or clock() >= self._save_after):
            return
        start = clock()
        snapshot = Snapshot(str(self.position), dump(self.state))
        await self.home.bus.save(self.place.partition, self.task, self.token, snapshot)
        self._saved_position = self.position
        pause = max(self.home.settings.snapshot_s, (clock() - start) / _SAVE_SHARE)
        self._save_after = clock() + pause


class Poisoned(Exception):
    """A processor raised on an event of a batch; which one is found out by going through it again."""


def _one(run: Sequence[ReadingsEvent]) -> ReadingsEvent:
    return type(run[0])(joined([event.readings for event in run]))
