"""What stands in the log around an incident: readings of the machine, and what happened to it and to Tocsin."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import numpy as np

from bus.history import History
from bus.news import News
from bus.protocol import Place
from bus.scan import STREAMS, backwards, scan
from bus.window import spans, within
from contracts.events import (
    AlertLabelled,
    AnomalyDetected,
    AnyEvent,
    DriftAcknowledged,
    Event,
    ModelServed,
    NotificationDue,
    NotificationFailed,
    NotificationSent,
    ReadingsAccepted,
    ReadingsEvent,
    ReadingsRejected,
    SilenceEnded,
    SilenceSet,
)
from contracts.identity import home_of, partition_of
from contracts.instants import iso

from ..curves.trace import Trace
from .subject import Subject

#: Curves that are drawn, and events that the timeline holds.
MOST_CURVES, MOST_EVENTS = 8, 2_000
#: Of the latest receipts of a partition so many are looked through.
_RECEIPTS = 20_000
#: Streams of readings are looked at apart; the others tell of every second or of the log itself.
_LEFT_ALONE = frozenset(
    {"readings.acquired", "readings.accepted", "readings.scored", "readings.rejected", "signals", "archive", "lineage"}
) | {"measures", "shadow", "alerts", "deliveries"}
Receipt = NotificationSent | NotificationFailed


@dataclass
class Around:
    """What was found.

    events    in the order of time: of the machine, of its neighbours (findings only), and of Tocsin
    accepted  series of the machine -> readings that were accepted
    rejected  series -> verdict -> readings
    curves    series -> its values over time, of those that matter most
    sources   asset -> the sources that tell of it
    served    event time, as of the reading before, with a change of models or of references in this partition
    receipts  key of a notification -> what became of it
    """

    events: list[Event] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Counter[int]] = field(default_factory=dict)
    curves: dict[str, Trace] = field(default_factory=dict)
    sources: dict[str, set[str]] = field(default_factory=dict)
    served: list[tuple[int, ModelServed | DriftAcknowledged]] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    labels: list[AlertLabelled] = field(default_factory=list)
    silences: list[SilenceSet | SilenceEnded] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    left_out: int = 0


@dataclass
class Gathering:
    """Goes through the log around one incident; ``advance`` is told of events that went by."""

    history: History
    subject: Subject
    advance: Callable[[int], None] = lambda count: None
    around: Around = field(default_factory=Around)

    async def gather(self) -> Around:
        """Read it. Raises Unavailable."""
        found, subject = self.around, self.subject
        mine = partition_of(subject.asset, self.history.partitions)
        for partition in range(self.history.partitions):
            for stream in STREAMS:
                if stream not in _LEFT_ALONE:
                    await self._happened(Place(stream, partition))
        found.events.sort(key=lambda event: (event.time, event.id))
        found.left_out, found.events[MOST_EVENTS:] = max(0, len(found.events) - MOST_EVENTS), []
        neighbours = {e.asset for e in found.events if isinstance(e, AnomalyDetected)} - {subject.asset}
        for partition in sorted({mine, *(partition_of(name, self.history.partitions) for name in neighbours)}):
            await self._readings(Place(ReadingsAccepted.stream, partition), neighbours)
        await self._readings(Place(ReadingsRejected.stream, mine), set())
        for partition in range(self.history.partitions):
            await self._receipts(partition)
        said = await News([AlertLabelled]).read(self.history)
        found.labels = [e for e in said if isinstance(e, AlertLabelled) and e.alert in subject.named]
        if subject.changes:
            await self._silences()
        return found

    async def _happened(self, place: Place) -> None:
        subject, known = self.subject, set[str]()
        for since, until in dict.fromkeys((subject.span, subject.walls)):
            async for event in self._events(place, since, until):
                if isinstance(event, Event) and event.id not in known and self._concerns(event):
                    known.add(event.id)
                    self.around.events.append(event)

    def _concerns(self, event: Event) -> bool:
        """Whether it is about the machine, is a finding of another one, or tells of Tocsin itself."""
        first, last = self.subject.walls if event.operational else self.subject.span
        if isinstance(event, NotificationDue):
            return not self.subject.changes and event.finding in self.subject.named
        if not first <= event.time <= last or isinstance(event, AlertLabelled):
            return False
        return event.operational or event.asset == self.subject.asset or isinstance(event, AnomalyDetected)

    async def _events(self, place: Place, since: int, until: int) -> AsyncIterator[AnyEvent]:
        for span in await spans(self.history, place, since, until):
            async for each in scan(self.history, place, *span):
                if each.problem:
                    self.around.unread.add(f"{place.stream}/{place.partition}:{each.entry.first}: {each.problem}")
                for event in each.events:
                    self.advance(1)
                    yield event

    async def _readings(self, place: Place, neighbours: set[str]) -> None:
        (since, until), latest = self.subject.span, self.subject.span[0]
        async for event in self._events(place, since, until):
            if isinstance(event, ReadingsEvent):
                inside = within(event, since, until)
                if inside.any():
                    latest = max(latest, int(event.readings.time[inside].max()))
                    self._take(event, inside, neighbours)
            elif isinstance(event, ModelServed | DriftAcknowledged) and self._here(place) and latest > since:
                self.around.served.append((latest, event))

    def _here(self, place: Place) -> bool:
        return place.partition == partition_of(self.subject.asset, self.history.partitions)

    def _take(self, event: ReadingsEvent, inside: "np.ndarray[tuple[int], np.dtype[np.bool_]]", near: set[str]) -> None:
        readings, found = event.readings, self.around
        for code in np.unique(readings.code[inside]).tolist():
            series = readings.series[code]
            if series.asset == self.subject.asset or series.asset in near:
                found.sources.setdefault(series.asset, set()).add(series.source)
            if series.asset != self.subject.asset:
                continue
            rows = inside & (readings.code == code)
            if isinstance(event, ReadingsRejected):
                found.rejected.setdefault(series.name, Counter()).update(readings.verdict[rows].tolist())
                continue
            found.accepted[series.name] += int(rows.sum())
            if series.name not in found.curves and self._matters(series.channel):
                found.curves[series.name] = Trace(self.subject.span)
            if series.name in found.curves:
                found.curves[series.name].add(readings.time[rows], readings.value[rows])

    def _matters(self, channel: str) -> bool:
        """Whether a channel is to be drawn: that of the alert, those with the largest shares, and some others."""
        shares = self.subject.contributions
        largest = sorted(shares, key=lambda name: -shares[name])[:MOST_CURVES]
        return channel in (self.subject.channel, *largest) or len(self.around.curves) < MOST_CURVES

    async def _receipts(self, partition: int) -> None:
        """What became of messages about a finding; whenever that was: a batch of old readings is told of now."""
        keys = {event.key for event in self.around.events if isinstance(event, NotificationDue)}
        seen = 0
        if not keys:
            return
        async for each in backwards(self.history, Place(NotificationSent.stream, partition)):
            for event in each.events:
                if isinstance(event, NotificationSent | NotificationFailed) and event.key in keys:
                    self.around.receipts.setdefault(event.key, event)
            seen += len(each.events)
            if seen > _RECEIPTS:
                return

    async def _silences(self) -> None:
        """Silences that were set or ended meanwhile."""
        place = Place(SilenceSet.stream, home_of("signals", self.history.partitions))
        first, last = self.subject.walls
        async for each in backwards(self.history, place):
            for event in each.events:
                if isinstance(event, SilenceSet | SilenceEnded) and first <= event.time <= last:
                    self.around.silences.append(event)
            if each.events and isinstance(each.events[0], Event) and each.events[0].time < first:
                return


def unread(around: Around) -> dict[str, str]:
    """What could not be read, as parts that are missing."""
    return {"entries": "; ".join(sorted(around.unread)[:5])} if around.unread else {}


def when(span: tuple[int, int]) -> dict[str, str]:
    """A range of time as people read it."""
    return {"from": iso(span[0]), "to": iso(span[1])}
