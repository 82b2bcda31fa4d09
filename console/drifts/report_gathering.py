"""What a report on drift needs of the log: curves, samples of reference and present, and what happened meanwhile.

Nothing grows with the range but the lists of findings: a curve is 600 pairs of extremes, a sample some thousand
readings, and at most 2,000 series are followed.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bus.history import History
from bus.protocol import Place
from bus.scan import scan
from bus.window import spans
from contracts.events import (
    AlertLabelled,
    AnyEvent,
    DataQualityIncident,
    DriftDetected,
    DriftReferenced,
    Event,
    ModelMeasured,
    ReadingsAccepted,
    ReadingsEvent,
    ReadingsRejected,
)
from contracts.identity import series_name
from contracts.instants import EARLIEST
from models.drift.words import F64, I64

from ..curves.envelope import Envelope
from ..past.scope import Scope
from .report_models import Bundles

MOST_SERIES = 2_000
#: Events of the timeline, of all series together.
_MOST_EVENTS = 5_000
#: Readings of a partition that are looked through for references.
_MOST_LOOKED_AT = 5_000_000
#: Streams with what may have to do with drift; what else stands among readings is looked at as it comes by.
_TIMELINE = ("deployments", "incidents", "concept", "training")


class Kept:
    """Consecutive readings of a series, at most ``most``: the first that come, or with ``last`` the last."""

    def __init__(self, most: int) -> None:
        # Pages that are never written to cost nothing.
        self._values, self._count = np.empty(most), 0

    @property
    def full(self) -> bool:
        """Whether there are as many as there may be."""
        return self._count >= len(self._values)

    def add(self, values: F64, *, last: bool = False) -> None:
        """Take in readings that follow."""
        most = len(self._values)
        if last:
            values = values[-most:]
            at = (self._count + np.arange(len(values))) % most
            self._values[at] = values
            self._count = self._count + len(values)
        else:
            values = values[: max(most - self._count, 0)]
            self._values[self._count : self._count + len(values)] = values
            self._count += len(values)

    def values(self) -> F64:
        """What is kept, oldest first, float64[n]."""
        if not self.full:
            return self._values[: self._count].copy()
        return np.roll(self._values, -(self._count % len(self._values)))


@dataclass
class Followed:
    """One series: what is kept of it."""

    partition: int
    curve: Envelope
    reference: Kept
    present: Kept
    readings: int = 0
    rejected: Counter[int] = field(default_factory=Counter)
    since: int = EARLIEST
    findings: list[DriftDetected] = field(default_factory=list)

    def take(self, times: I64, values: F64) -> None:
        """Readings of the range. The present are the first ones since the first finding, without one the last."""
        self.readings += len(values)
        self.curve.add(times, values)
        if self.findings:
            self.present.add(values[times >= self.since])
        else:
            self.present.add(values, last=True)


@dataclass
class Gathering:
    """Goes through a range of the log once, and through its beginning for references.

    most      readings of a reference, as of the present
    left_out  series beyond the 2,000
    begins    ordinal of the first reading of the reference that a series was measured against when it was found to
              drift, where the log says so
    """

    history: History
    scope: Scope
    most: int
    advance: Callable[[int], None] = lambda count: None
    series: dict[str, Followed] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    begins: dict[str, int] = field(default_factory=dict)
    bundles: Bundles = field(default_factory=Bundles)
    unread: int = 0

    async def gather(self) -> "Gathering":
        """Read everything. Raises Unavailable."""
        for partition in range(self.history.partitions):
            await self._findings(partition)
        for stream in _TIMELINE:
            for partition in range(self.history.partitions):
                async for event in self._events(Place(stream, partition), self._about(stream)):
                    self._note(event)
        for partition in range(self.history.partitions):
            await self._readings(partition)
            await self._references(partition)
        await self._models()
        return self

    async def _models(self) -> None:
        """What bundles did in the range; labels count whenever somebody gave them."""
        scope = Scope(self.scope.since, self.scope.until)
        for partition in range(self.history.partitions):
            async for event in self._events(Place(ModelMeasured.stream, partition), scope):
                if isinstance(event, ModelMeasured):
                    self.bundles.measure(event, partition)
            async for event in self._events(Place(AlertLabelled.stream, partition), Scope()):
                if isinstance(event, AlertLabelled):
                    self.bundles.label(event)

    def _about(self, stream: str) -> Scope:
        """What concerns models concerns every series."""
        return self.scope if stream == "incidents" else Scope(self.scope.since, self.scope.until)

    async def _events(self, place: Place, scope: Scope) -> AsyncIterator[AnyEvent]:
        for span in await spans(self.history, place, scope.since, scope.until):
            async for found in scan(self.history, place, *span):
                self.unread += bool(found.problem)
                for event in found.events:
                    if (part := scope.part(event)) is not None:
                        self.advance(len(part) if isinstance(part, ReadingsEvent) else 1)
                        yield part

    async def _findings(self, partition: int) -> None:
        since = self.scope.since
        async for event in self._events(Place(DriftDetected.stream, partition), replace(self.scope, since=EARLIEST)):
            if not isinstance(event, Event):
                continue
            name = series_name(event.asset, event.channel)
            if isinstance(event, DriftReferenced) and event.first and not self._has_findings(name):
                # References are mostly older than the range.
                self.begins[name] = event.first
            if isinstance(event, DriftDetected) and event.time >= since:
                followed = self._followed(name, partition)
                if followed is not None:
                    followed.since = followed.since if followed.findings else event.since
                    followed.findings.append(event)
            if event.time >= since:
                self._note(event)

    def _has_findings(self, name: str) -> bool:
        return name in self.series and bool(self.series[name].findings)

    async def _readings(self, partition: int) -> None:
        for kind in (ReadingsAccepted, ReadingsRejected):
            async for event in self._events(Place(kind.stream, partition), self.scope):
                if isinstance(event, ReadingsEvent):
                    self._take(event, partition)
                elif isinstance(event, Event):
                    self._note(event)

    def _take(self, event: ReadingsEvent, partition: int) -> None:
        readings = event.readings
        for code, rows in _by_code(readings.code):
            followed = self._followed(readings.series[code].name, partition)
            if followed is None:
                continue
            if isinstance(event, ReadingsRejected):
                followed.rejected.update(readings.verdict[rows].tolist())
            else:
                followed.take(readings.time[rows], readings.value[rows])

    async def _references(self, partition: int) -> None:
        """The readings that the test took for its reference: the first of each series, unless the log says others."""
        wanted = {name for name, each in self.series.items() if each.partition == partition}
        place, looked_at = Place(ReadingsAccepted.stream, partition), 0
        if not wanted:
            return
        start = max((await self.history.starts([place]))[place], min(self.begins.get(name, 1) for name in wanted))
        async for found in scan(self.history, place, start):
            for event in found.events:
                if isinstance(event, ReadingsAccepted):
                    looked_at += len(event)
                    self.advance(len(event))
                    self._learn(event, wanted)
            if not wanted or looked_at >= _MOST_LOOKED_AT:
                return

    def _learn(self, event: ReadingsAccepted, wanted: set[str]) -> None:
        readings = event.readings
        for code, rows in _by_code(readings.code):
            name = readings.series[code].name
            if name not in wanted:
                continue
            kept = self.series[name].reference
            belongs = rows[readings.first + rows >= self.begins.get(name, 1)]
            kept.add(readings.value[belongs])
            if kept.full:
                wanted.discard(name)

    def _followed(self, name: str, partition: int) -> Followed | None:
        if name not in self.series:
            if len(self.series) >= MOST_SERIES:
                self.left_out.add(name)
                return None
            curve = Envelope(self.scope.since, self.scope.until)
            self.series[name] = Followed(partition, curve, Kept(self.most), Kept(self.most))
        return self.series[name]

    def _note(self, event: Any) -> None:
        if isinstance(event, DataQualityIncident) and event.state == "closed":
            return
        if len(self.events) < _MOST_EVENTS:
            self.events.append(event)


def _by_code(code: Any) -> list[tuple[int, I64]]:
    """Number of each series with its rows, in their order."""
    order = np.argsort(code, kind="stable")
    codes, starts = np.unique(code[order], return_index=True)
    return list(zip(codes.tolist(), np.split(order, starts[1:]), strict=True))
