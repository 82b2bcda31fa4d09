"""Looks after one fleet for all who want to see it: reads the log while somebody does, and some minutes longer."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from typing import Protocol

import anyio
import numpy as np
import structlog

from agents.clock import Clock
from agents.web.refusal import Refused
from bus.protocol import Entry, Place
from contracts.errors import TocsinError
from contracts.events import (
    AlertChanged,
    AnomalyDetected,
    DataQualityIncident,
    DriftAcknowledged,
    DriftDetected,
    Event,
    ModelServed,
    ReadingsAccepted,
    ReadingsEvent,
    ReadingsRejected,
)
from contracts.frames import Unread, decode_all
from contracts.identity import partition_of
from contracts.readings import Readings, Verdict
from contracts.rows import event_row
from contracts.settings import Settings

from ..api.streaming.hub import Hub
from .fleet import Fleet
from .marks import Mark, mark_of, rejected
from .priming import happened, prime
from .telling import news
from .viewer import Viewer, message

log = structlog.get_logger()

_KINDS = (ReadingsAccepted, ReadingsRejected, AnomalyDetected, DriftDetected, DataQualityIncident, AlertChanged)
#: So long a fleet is kept up to date after the last one looked.
_KEPT_S = 300.0
#: What a series of its own does not follow from.
_NO_SERIES = np.array(
    [Verdict.BAD_NAME, Verdict.TOO_LONG, Verdict.BAD_ENCODING, Verdict.TOO_MANY_SERIES, Verdict.UNKNOWN_SERIES],
    np.uint8,
)
_WHOLE = "*"


class Watching(Protocol):
    """A viewer at its connection."""

    @property
    def viewer(self) -> Viewer: ...

    def look(self, now: float) -> None:
        """Called every second."""

    def end(self, why: str) -> None:
        """Nothing more comes."""


class Watch:
    """The fleet, and all who watch it. A taker of the hub while there is somebody."""

    streams: Sequence[str] = tuple(kind.stream for kind in _KINDS)

    def __init__(self, hub: Hub, settings: Settings, clock: Clock | None = None) -> None:
        self._hub, self._settings, self._clock = hub, settings, clock or Clock()
        self._all: set[Watching] = set()
        self._fleet = Fleet()
        self._priming: asyncio.Task[bool] | None = None
        self._late: list[Event] | None = []
        self._followed = False
        self._opening = anyio.Lock()
        self._taken: dict[Place, int] = {}
        self._asked, self._told_from, self._told_version = 0.0, 0, 0
        self.epoch = ""

    @property
    def size(self) -> int:
        """How many watch."""
        return len(self._all)

    # ---------------------------------------------------------------- who wants to see it

    async def fleet(self) -> Fleet:
        """Every series as it is now. Raises Unavailable, and Refused while the service ends."""
        await self._open()
        if self._priming is not None:
            await asyncio.shield(self._priming)
        self._fleet.settle()
        return self._fleet

    async def join(self, one: Watching) -> None:
        """Tell this one from now on. Raises Unavailable, and Refused while the service ends."""
        self._all.add(one)
        try:
            await self._open()
        except BaseException:
            self._all.discard(one)
            raise
        if one.viewer.wants("fleet"):
            # Who comes back sees by this whether it missed something.
            one.viewer.say(message("fleet", {"epoch": self.epoch, "version": self._told_version, "hello": True}))

    def leave(self, one: Watching) -> None:
        """Tell it nothing more."""
        self._all.discard(one)
        self._asked = anyio.current_time()

    async def _open(self) -> None:
        self._asked = anyio.current_time()
        async with self._opening:
            if self._hub.closed:
                raise Refused(503, self._hub.closed, "try again", "store down")
            if self._priming is not None and self._priming.done() and self._priming.exception():
                self._close()
            if self.epoch:
                return
            await self._hub.attach(self)
            self._fleet, self._late, self._taken, self._told_version = Fleet(), [], {}, 0
            self.epoch = f"{self._clock.wall_ns():x}"
            # What it logs is not of the request that asked first.
            self._priming = asyncio.create_task(self._prime(), context=Context())
            self._priming.add_done_callback(_noted)

    async def _prime(self) -> bool:
        self._followed = await prime(self._fleet, self._hub.bus, self._settings)
        # What happened meanwhile is newer than all of that.
        late, self._late = self._late or [], None
        for event in late:
            self._happened(event)
        return True

    def _close(self) -> None:
        """Read no more; whoever asks next begins anew."""
        self._hub.leave(self)
        if self._priming is not None:
            self._priming.cancel()
        self._priming, self._fleet, self.epoch = None, Fleet(), ""

    # ---------------------------------------------------------------- as the hub sees it

    def wake(self) -> None:
        """Entries are what it is given."""

    def end(self, why: str) -> None:
        self._close()
        for one in list(self._all):
            one.end(why)

    def look(self, now: float) -> None:
        self._fleet.pass_time(now)
        if any(one.viewer.wants("fleet") for one in self._all):
            self._tell_news()
        for one in list(self._all):
            one.look(now)
        if not self._all and now - self._asked > _KEPT_S:
            self._close()

    def take(self, place: Place, entries: Sequence[Entry]) -> None:
        if place.stream not in self.streams:
            return
        # After a change of members the hub may hand on again what it did before.
        fresh = [entry for entry in entries if entry.last > self._taken.get(place, 0)]
        for event in decode_all(fresh):
            if isinstance(event, ReadingsAccepted):
                self._accepted(event.readings)
            elif isinstance(event, ReadingsRejected):
                self._rejected(event.readings)
            elif isinstance(event, ModelServed):
                self._served(event, place.partition)
            elif not isinstance(event, Unread | ReadingsEvent):
                self._told(event)
        if fresh:
            self._taken[place] = fresh[-1].last

    # ---------------------------------------------------------------- what happens

    def _accepted(self, readings: Readings) -> None:
        rows = self._fleet.rows(readings.series)[readings.code]
        self._fleet.accept(rows, readings, self._clock.wall_ns())
        for one in self._all:
            if one.viewer.wants("readings"):
                one.viewer.readings(self._fleet, rows, readings.time, readings.value)

    def _rejected(self, readings: Readings) -> None:
        names = np.array([series.channel != _WHOLE for series in readings.series], np.bool_)
        sound = names[readings.code] & ~np.isin(readings.verdict, _NO_SERIES)
        if not sound.any():
            return
        readings = readings if sound.all() else readings.take(np.flatnonzero(sound))
        numbers = self._fleet.rows(readings.series)
        rows = numbers[readings.code]
        self._fleet.refuse(rows)
        watched = [one.viewer for one in self._all if one.viewer.wants("mark")]
        seen = [viewer.watched(self._fleet, rows) for viewer in watched]
        codes = np.unique(readings.code[np.logical_or.reduce(seen)]).tolist() if seen else []
        for mark, code in zip(rejected(readings, codes), codes, strict=True):
            self._mark(mark, [int(numbers[code])])

    def _told(self, event: Event) -> None:
        if isinstance(event, AlertChanged):
            said = message("alert", event_row(event))
            for one in self._all:
                if one.viewer.wants("alert"):
                    one.viewer.say(said)
        if (mark := mark_of(event)) is not None:
            self._mark(mark, self._fleet.of(mark.asset, mark.channel))
        if self._late is not None:
            self._late.append(event)
        else:
            self._happened(event)

    def _happened(self, event: Event) -> None:
        fleet = self._fleet
        if isinstance(event, AlertChanged):
            fleet.trouble(fleet.troubles.alert(event))
        elif isinstance(event, DriftAcknowledged):
            # Against which reference it is measured from here on, the log says by itself.
            for number in fleet.of(event.asset, event.channel) if event.action == "rearm" else ():
                fleet.drift(number, "")
        else:
            happened(fleet, event, followed=self._followed)

    def _served(self, event: ModelServed, partition: int) -> None:
        mark = mark_of(event)
        wanted = {name for one in self._all for name in one.viewer.interest.series}
        numbers = [self._fleet.numbers[name] for name in wanted if name in self._fleet.numbers]
        here = [n for n in numbers if partition_of(self._fleet.assets[n], self._hub.bus.partitions) == partition]
        if mark is not None:
            self._mark(mark, here)

    def _mark(self, mark: Mark, numbers: Sequence[int]) -> None:
        for one in self._all:
            if one.viewer.wants("mark"):
                one.viewer.mark(self._fleet, mark, numbers)

    def _tell_news(self) -> None:
        self._fleet.settle()
        if self._fleet.version == self._told_version:
            return
        self._told_version = self._fleet.version
        found, self._told_from = news(self._fleet, self._told_from)
        head = {"epoch": self.epoch, "version": self._fleet.version}
        said = message("fleet", {**head, "summary": self._fleet.summary(), **found})
        again = message("fleet", {**head, "again": True})
        for one in self._all:
            if one.viewer.wants("fleet"):
                one.viewer.changed(said, again)


def _noted(task: "asyncio.Task[bool]") -> None:
    with suppress(asyncio.CancelledError):
        error = task.exception()
        if isinstance(error, TocsinError):
            log.warning("what the fleet is like could not be found out", cause=str(error))
        elif error is not None:
            log.error("what the fleet is like could not be found out", cause=repr(error))
