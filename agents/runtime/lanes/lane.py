"""A processor on one stream of one partition: read, handle, commit; recover from a snapshot and the log."""

from collections.abc import Collection, Sequence
from typing import Any

from anyio import to_thread

from bus.protocol import Commit, Entry, Place, Snapshot
from contracts.errors import TooLarge
from contracts.events import AnyEvent
from contracts.frames import MAX_FRAME_READINGS

from ...parts import Processor
from ...state import dump
from ..filling import filled, holes
from ..home import Home, log, log_gap, outputs
from ..sources.backpressure import STOP_AT
from .handling import Handling
from .handling import Poisoned as Poisoned
from .recovery import Recovery
from .suspicion import Killed, Suspicion

#: Up to so many events the work is done at once: going to a thread and back costs more.
_INLINE_EVENTS = 64
#: A save may cost this share of the time between two saves.
_SAVE_SHARE = 0.02
#: After this time a state is saved though nothing came: what others write to our streams is not kept for us for ever.
_REFRESH_S = 600.0


class Lane:
    """State and position of a processor on one place.

    ``buried`` are ordinals to pass over without a word: a replay knows that they ended the process that met them.
    """

    def __init__(
        self,
        home: Home,
        processor: Processor[Any, Any, Any],
        task: str,
        place: Place,
        token: int,
        *,
        buried: Collection[int] = (),
    ) -> None:
        self.home, self.processor, self.task, self.place, self.token = home, processor, task, place, token
        self.position = 0
        #: Whether the state is the one at the position, and not on its way there.
        self.opened = False
        self._handling = Handling(processor, task, place, home.steps, buried)
        self._recovery = Recovery(home, self._handling)
        self._suspicion: Suspicion | None = None
        self._saved_position, self._save_after, self._refresh_after = -1, 0.0, 0.0

    @property
    def state(self) -> Any:
        """What the processor remembers."""
        return self._handling.state

    @property
    def bundle(self) -> str:
        """Digest of the bundle that scores here; empty where none does."""
        return str(getattr(getattr(self.state, "champion", None), "bundle", self.processor.bundle))

    # ---- recovery

    async def open(self) -> None:
        """Fence former owners off, and bring the state to the committed position.

        Raises Fenced when a newer owner is there already, Diverged when the log has a hole, or when what is computed
        again is not what was committed.
        """
        await self.home.bus.check()
        stored = await self._recover()
        bus, partition, life = self.home.bus, self.place.partition, self.home.life
        former = await bus.begin(partition, self.task, self.token, life)
        end = (await bus.ends([self.place]))[self.place]
        most = max(self.home.settings.read_events, MAX_FRAME_READINGS)
        self._suspicion = Suspicion.of(former, life, stored, end, most)
        if self._suspicion is not None:
            log.warning(
                "the owner before died: its last input is handled with care", task=self.task, partition=partition
            )
        if not self._recovery.saved:
            # Without it a recovery would not know what the state was made by, and could compare nothing.
            await self._save()
        await self._let_go()
        self.opened = True

    async def _let_go(self) -> None:
        """Move the older snapshot here too where memory is short: the log is kept from there on.

        A commit that was refused for lack of memory led here. It would be refused for ever if what was read before it
        could not be trimmed: snapshots move after commits alone.
        """
        bus, partition = self.home.bus, self.place.partition
        if await bus.fullness() < STOP_AT:
            return
        kept = await bus.snapshots(partition, self.task)
        if min((int(each.position or 0) for each in kept), default=self.position) < self.position:
            log.warning("memory is short: both snapshots are moved here", task=self.task, position=self.position)
            await self._save()
            await self._save()

    async def _recover(self) -> int:
        partition = self.place.partition
        with self.home.telemetry.recovery(self.task, partition):
            stored = int(await self.home.bus.fence(partition, self.task, self.token) or 0)
            await self._recovery.run(stored)
        self.position, begun = stored, self._recovery.begun
        self._saved_position = int(begun.position) if begun else -1
        self._save_after = self.home.clock.monotonic_s() + self.home.settings.snapshot_s
        self._refresh_after = self.home.clock.monotonic_s() + _REFRESH_S
        return stored

    # ---- work

    async def step_or_bury(self, entries: Sequence[Entry]) -> int:
        """Handle entries that follow the position, commit what comes out, and return the number of events.

        Where the processor raises, the state is recovered, and the event that it cannot handle buried.
        """
        if (suspicion := self._suspicion) is None:
            return await self._guarded(entries)
        count = 0
        for number, entry in enumerate(entries):
            if suspicion.over(self.position):
                self._suspicion = None
                return count + await self._guarded(entries[number:])
            # One at a time in the whole process: whatever dies now, nothing else was being tried.
            async with self.home.alone:
                count += await self._alone(entry, suspicion)
        return count

    async def _alone(self, entry: Entry, suspicion: Suspicion) -> int:
        if suspicion.guilty(entry):
            log.error("entry buried: it killed who handled it", task=self.task, position=entry.last)
            tries = suspicion.deaths + 1
            letter = self._handling.letter(
                entry.last, dict(entry.fields), Killed(), tries=tries, events=entry.count
            )  # fmt: skip
            return await self._commit([letter], entry.last)
        await self.home.bus.attempt(self.place.partition, self.task, self.token, suspicion.tried(entry))
        return await self._guarded([entry])

    async def _guarded(self, entries: Sequence[Entry]) -> int:
        try:
            return await self.step(entries)
        except (Poisoned, TooLarge) as poison:
            cause = poison.__cause__ or poison
            log.error("processor raised", task=self.task, partition=self.place.partition, cause=repr(cause))
        await self._recover()
        self._handling.careful = True
        try:
            return await self.step(entries)
        finally:
            self._handling.careful = False

    async def step(self, entries: Sequence[Entry]) -> int:
        """As ``step_or_bury``. Raises Poisoned, with the state spoilt, where the processor raises."""
        entries = await filled(self.home, self.place, self.position, entries, self.home.settings.read_events)
        now = self.home.clock.wall_ns()
        missing = holes(self.position, entries)
        gaps = [log_gap(self.task, self.place, first, found - 1, time=now) for first, found in missing]
        outcome = await self._outcome(entries)
        count = await self._commit([*gaps, *outcome], entries[-1].last)
        if gaps:
            # A recovery that begins before the gap takes longer: it has to learn of it first.
            await self.save_if_due(now=True)
        return count

    async def _outcome(self, entries: Sequence[Entry]) -> list[AnyEvent]:
        last = entries[-1].last
        what = f"{self.task} on partition {self.place.partition} at {entries[0].first}-{last}"
        with self.home.steps.step(what) as self._handling.moved:
            if last - self.position > min(_INLINE_EVENTS, self.processor.most_events // 4):
                # A thread, so that leases are renewed and other agents are served meanwhile.
                return await to_thread.run_sync(self._handling.outcome, entries)
            return self._handling.outcome(entries)

    async def _commit(self, events: Sequence[AnyEvent], last: int) -> int:
        expected, found = str(self.position or ""), outputs(events, self.task)
        await self.home.bus.commit(
            Commit(self.place.partition, self.task, self.token, expected, str(last), found)
        )  # fmt: skip
        count = last - self.position
        self.position = last
        return count

    # ---- snapshots

    async def save_if_due(self, *, now: bool = False) -> None:
        """Save the state when it is time to; off the commit, and never so often that it costs much."""
        clock = self.home.clock.monotonic_s()
        stale = clock >= self._refresh_after
        if (self.position == self._saved_position and not stale) or not (now or clock >= self._save_after):
            return
        await self._save()

    async def _save(self) -> None:
        clock = self.home.clock.monotonic_s
        start = clock()
        # Nothing of ours is on its way now: these ends belong to this position.
        ends = await self.home.bus.ends(self._recovery.output_places())
        # A thread: a large state takes tens of milliseconds, and others of this process have work to do.
        data = await to_thread.run_sync(dump, self.state)
        snapshot = Snapshot(
            str(self.position),
            data,
            {place.stream: end for place, end in ends.items()},
            self._recovery.maker,
        )
        await self.home.bus.save(self.place.partition, self.task, self.token, snapshot)
        self._saved_position = self.position
        pause = max(self.home.settings.snapshot_s, (clock() - start) / _SAVE_SHARE)
        self._save_after, self._refresh_after = clock() + pause, clock() + _REFRESH_S
