"""Bringing the state of a lane to its committed position: a snapshot, and the log from there on.

What comes out on the way was committed before. It is compared with that and dropped: a processor that gives other
outputs for the same input must not go on, or the log would tell two truths.
"""

from anyio import to_thread

from bus.protocol import Entry, Place, Snapshot
from contracts.errors import Diverged, TocsinError, Unavailable
from contracts.events import DeadLettered, LogGap

from ..appetite import Appetite, portions
from ..home import Home, log
from .burials import Passed, passed
from .comparison import MEND, Comparison
from .handling import Handling, Poisoned
from .maker import maker_of


class Recovery:
    """One recovery of a lane's state."""

    def __init__(self, home: Home, handling: Handling) -> None:
        self.home, self.handling = home, handling
        self.task, self.place = handling.task, handling.place
        self.maker = maker_of(handling.processor)
        self.position = 0
        #: The snapshot that it began from; None where there was none that could be used.
        self.begun: Snapshot | None = None
        self._passed = Passed()
        self._comparison: Comparison | None = None

    @property
    def saved(self) -> bool:
        """Whether there is a snapshot of what this process is made of, to compare with next time."""
        return self.begun is not None and self.begun.maker == self.maker

    def output_places(self) -> list[Place]:
        """Where the task's outputs go, and what it tells of events that it passed over."""
        kinds = [*self.handling.processor.writes(), DeadLettered, LogGap]
        return [Place(stream, self.place.partition) for stream in sorted({kind.stream for kind in kinds})]

    async def run(self, stored: int) -> None:
        """Recover the state at ``stored``.

        Raises Diverged when the log has a hole, or says that something else came out of the same input.
        """
        try:
            await self._run(stored)
        except Poisoned as poison:
            if self._comparison is not None:
                cause = poison.__cause__
                raise Diverged(
                    f"{self.task} on partition {self.place.partition} raised on an event behind {self.position} that "
                    f"it had handled before: {cause!r}",
                    mend=MEND,
                ) from cause
            # Another code or configuration cannot handle what the one before could.
            self.handling.careful = True
            try:
                await self._run(stored)
            finally:
                self.handling.careful = False
        finally:
            self.handling.skip = self.handling.buried

    async def _run(self, stored: int) -> None:
        await self._load(stored)
        if self.position >= stored:
            return
        await self._prepare()
        begun = self.position
        appetite = Appetite(self.home.settings.read_mb)
        while self.position < stored:
            entries = await self.home.recorded.range(
                self.place, self.position + 1, stored, count=appetite.count(1)
            )  # fmt: skip
            appetite.fed(entries)
            self._require_unbroken(entries)
            for part in portions(entries, self.home.settings.read_events):
                await self._replay(part)
        if self._comparison is not None:
            await self._comparison.finish(f"{self.place.stream} {begun + 1}-{stored}")

    async def _load(self, stored: int) -> None:
        self.position, self.begun = 0, None
        self.handling.begin()
        for snapshot in await self.home.bus.snapshots(self.place.partition, self.task):
            # One that is ahead of the log belongs to a log that lost its end.
            if int(snapshot.position) <= stored and self._loaded(snapshot):
                self.position, self.begun = int(snapshot.position), snapshot
                return

    def _loaded(self, snapshot: Snapshot) -> bool:
        try:
            self.handling.begin(snapshot.data)
        except Unavailable:
            raise
        except TocsinError as error:
            log.warning("snapshot not usable", task=self.task, partition=self.place.partition, cause=str(error))
            self.handling.begin()
            return False
        return True

    async def _prepare(self) -> None:
        """Learn what was passed over in what is to be read again, and whether outputs can be compared."""
        before = self.begun.ends if self.begun else {}
        recorded, places = self.home.recorded, self.output_places()
        letters, gaps = before.get(DeadLettered.stream, 0), before.get(LogGap.stream, 0)
        self._passed = await passed(recorded, self.task, self.place, letters, gaps)
        self.handling.skip = self._passed.events.union(self.handling.buried)
        self._comparison = None
        if self.saved:
            now = await self.home.bus.ends(places)
            ends = {place: before[place.stream] for place in places if place.stream in before}
            self._comparison = Comparison(recorded, self.task, ends, now)
        elif self.begun is not None:
            log.info(
                "outputs are not compared: the state was made by other code, configuration, model or versions",
                task=self.task,
                partition=self.place.partition,
            )

    async def _replay(self, entries: list[Entry]) -> None:
        where = f"{self.place.stream} {entries[0].first}-{entries[-1].last}"
        what = f"{self.task} on partition {self.place.partition}, again at {where}"
        with self.home.steps.step(what) as self.handling.moved:
            found = await to_thread.run_sync(self.handling.outcome, entries)
        if self._comparison is not None:
            await self._comparison.check(found, where)
        self.position = entries[-1].last

    def _require_unbroken(self, entries: list[Entry]) -> None:
        """What is missing must have been missing then, too."""
        expected = self.position + 1
        for entry in entries:
            if entry.first != expected and (expected, entry.first - 1) not in self._passed.gaps:
                self._broken(expected, str(entry.first))
            expected = entry.last + 1
        if not entries:
            self._broken(expected, "nothing")

    def _broken(self, expected: int, found: str) -> None:
        raise Diverged(
            f"{self.task}: {self.place.stream} of partition {self.place.partition} should go on at {expected}, "
            f"found {found}",
            mend="Entries were deleted that were still needed: restore the server's data from a backup",
        )
