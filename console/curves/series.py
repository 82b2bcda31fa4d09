"""What is known of one series in a range of time: its curve from log and archive as one, and what happened to it."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.to_thread

from bus.history import History
from bus.news import News
from bus.protocol import Place
from bus.scan import backwards
from contracts.errors import CorruptEvent, NotFound
from contracts.events import (
    AlertChanged,
    AlertLabelled,
    AnomalyDetected,
    AnyEvent,
    DataQualityIncident,
    DriftDetected,
    ModelMeasured,
    ReadingsAccepted,
    ReadingsEvent,
    ReadingsRejected,
    ReadingsScored,
)
from contracts.identity import home_of, partition_of
from contracts.instants import DAY, EARLIEST, LATEST
from contracts.readings import Float64, Int64

from .asked import LONGEST, Asked
from .lttb import RATIO, lttb
from .marks import Mark, Marks, latest, served
from .pieces import Missing, Piece, pieces, read
from .rejected import Rejected
from .scanning import Deadline, Extracts, Rows, Scan, Span
from .trace import Trace

#: An answer takes no longer; so many are made at once.
SECONDS, AT_ONCE = 20.0, 2
#: Events that are looked through for the latest, or the first, reading of a series; so many at a time.
_LOOKED, _STRETCH = 2_000_000, 5_000
#: Changes of alerts that are looked through, findings of a partition before the range, and measures of models.
_CHANGES, _BEFORE, _MEASURES = 20_000, 2_000, 200
_FINDINGS = (AnomalyDetected.stream, DriftDetected.stream, DataQualityIncident.stream)


@dataclass(frozen=True)
class Curve:
    """Times (ns) and values in the order of time; ``raw``: every reading, else the extremes of ``count``.

    ends   lowest and highest value of all of them; None where there are none
    """

    times: Int64
    values: Float64
    count: int
    raw: bool
    ends: tuple[float, float] | None


@dataclass
class Found:
    """What was found. Times are event times, ns.

    latest     time and value of the latest reading; None: none was found
    left_out   kind -> marks beyond the limit
    missing    what could not be read, and why; ``late``: there was no time, and asking again reads on
    channels   other channels of the asset, as far as they came by
    facts      what is said beside the curve
    """

    asked: Asked
    span: Span
    curve: Curve
    latest: tuple[int, float] | None = None
    marks: list[Mark] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    missing: list[dict[str, str]] = field(default_factory=list)
    late: bool = False
    score: Curve | None = None
    scored: bool = False
    channels: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


async def _nobody_left() -> bool:
    return False


class Curves:
    """Answers for one log. It remembers what it read of segments, which never change."""

    def __init__(self, history: History, seconds: float = SECONDS) -> None:
        self.history, self.seconds = history, seconds
        self._extracts = Extracts()
        self._labels, self._said = News([AlertLabelled]), dict[str, AlertLabelled]()
        self._at_once: anyio.Semaphore | None = None
        self._labelling = anyio.Lock()

    async def of(self, asked: Asked, gone: Callable[[], Awaitable[bool]] = _nobody_left) -> Found:
        """Everything about a series in a range.

        Raises NotFound where nothing was ever heard of it, Left where ``gone`` says so, and Unavailable.
        """
        if self._at_once is None:
            self._at_once = anyio.Semaphore(AT_ONCE)
        async with self._at_once:
            return await _Answer(self, asked, Deadline(self.seconds, gone)).make()

    async def labels(self) -> list[AlertLabelled]:
        """What people said of findings, the last word on each."""
        async with self._labelling:
            for event in await self._labels.read(self.history):
                if isinstance(event, AlertLabelled):
                    self._said[event.alert] = event
        return list(self._said.values())


class _Answer:
    """One answer, as it is made."""

    def __init__(self, curves: Curves, asked: Asked, deadline: Deadline) -> None:
        self.curves, self.asked, self.deadline = curves, asked, deadline
        self.history, self.missing, self.rows = curves.history, Missing(), Rows(asked)
        self.partition = partition_of(asked.asset, self.history.partitions)
        self.scan = Scan(self.history, asked, self.rows, self.missing, deadline, curves._extracts)

    async def make(self) -> Found:
        accepted = await self._pieces(ReadingsAccepted.stream)
        last = await self._edge(list(reversed(accepted)), last=True)
        span = await self._span(accepted, last)
        trace = self._trace(span)
        decided = await self.scan.go(accepted, span, trace)
        curve = await self._curve(trace)
        rejected = Rejected(self.rows, span)
        for piece in reversed(await self._pieces(ReadingsRejected.stream)):
            if piece.near(*span) and not await self.deadline.over():
                await read(self.history, piece, self.missing, rejected.take)
        marks = await self._marks(span)
        if last is None and not (curve.count or rejected.count or marks.found):
            raise NotFound(
                f"nothing of {self.asked.name} stands in log or archive", mend="`tocsin top` names the series there are"
            )
        chosen, left_out = latest([*marks.within(span), *served(self.asked, decided), *rejected.marks()])
        scored = self._place(ReadingsScored.stream)
        return Found(
            self.asked, span, curve, last, chosen, dict(marks.dropped + Counter(left_out)), rejected.count,
            score=await self._scores(span), scored=bool((await self.history.ends([scored]))[scored]),
            channels=tuple(sorted(self.rows.channels - {self.asked.channel})),
            facts=_facts(curve, rejected.count) | marks.facts | {"serving": await self._serving()},
            missing=self.missing.rows(), late=self.missing.late,
        )  # fmt: skip

    def _place(self, stream: str) -> Place:
        return Place(stream, self.partition)

    async def _pieces(self, stream: str) -> list[Piece]:
        return await pieces(self.history, self._place(stream), self.missing)

    def _trace(self, span: Span) -> Trace:
        most = self.asked.points
        finer = RATIO if self.asked.method == "lttb" else 1
        return Trace(span, most=most, steps=max(most * finer // 2, 1))

    async def _curve(self, trace: Trace) -> Curve:
        def work() -> Curve:
            times, values = trace.points()
            ends = (float(values.min()), float(values.max())) if len(values) else None
            if self.asked.method == "lttb":
                times, values = lttb(times, values, self.asked.points)
            return Curve(times, values, trace.count, trace.raw, ends)

        return await anyio.to_thread.run_sync(work)

    # ---------------------------------------------------------------- where it begins and ends

    async def _span(self, accepted: list[Piece], last: tuple[int, float] | None) -> Span:
        """The range of event time that is shown."""
        asked = self.asked
        until = asked.until
        if until is None:
            beyond = LATEST - 1 if asked.since is None else asked.since + asked.length
            until = max(last[0] if last else beyond, asked.since or EARLIEST)
        since = until - asked.length if asked.since is None else asked.since
        if asked.since is None:
            # A length that reaches back before the first reading would show nothing there.
            first = await self._edge(accepted, last=False, most=_LOOKED if asked.begin else _STRETCH)
            if first is not None and (asked.begin or first[0] > since):
                since = min(first[0], until)
        return max(since, until - LONGEST, EARLIEST + 1), min(until, LATEST - 1)

    async def _edge(self, found: list[Piece], *, last: bool, most: int = _LOOKED) -> tuple[int, float] | None:
        """Time and value of about the latest reading of the series, or the first one, in the order of the log."""
        seen: list[tuple[int, float]] = []

        def take(event: AnyEvent) -> None:
            if isinstance(event, ReadingsEvent) and (rows := self.rows.of(event.readings)) is not None and rows.any():
                times, values = event.readings.time[rows], event.readings.value[rows]
                # Among neighbours the time tells which is the latest: one may be late.
                row = int(times.argmax() if last else times.argmin())
                seen.append((int(times[row]), float(values[row])))

        looked = 0
        quiet = Missing()
        for piece in found:
            starts = list(range(piece.first, piece.last + 1, _STRETCH))
            for first in reversed(starts) if last else starts:
                part = replace(piece, first=first, last=min(first + _STRETCH - 1, piece.last))
                await read(self.history, part, quiet, take)
                looked += _STRETCH
                if seen:
                    return max(seen) if last else min(seen)
                if looked >= most or await self.deadline.over():
                    if most == _LOOKED:
                        which = "latest" if last else "first"
                        self.missing.add(f"no reading of it is among the {looked:,} {which} ones of its partition")
                    return None
        return None

    # ---------------------------------------------------------------- what happened

    async def _marks(self, span: Span) -> Marks:
        marks = Marks(self.asked)
        for stream in _FINDINGS:
            # A drift is told of when it is found, which may be long after it began.
            found = await self._pieces(stream)
            near = [piece for piece in found if piece.near(span[0], span[1] + DAY)]
            if found:
                await self._lasting(stream, near[0].first if near else found[-1].last + 1, marks)
            for piece in near:
                if await self.deadline.over():
                    self.missing.add(f"not all of the stream {stream} was read in time")
                    break
                await read(self.history, piece, self.missing, marks.take)
        await self._alerts(marks)
        marks.label(await self.curves.labels())
        return marks

    async def _lasting(self, stream: str, first: int, marks: Marks) -> None:
        """What began before the range and may still last."""
        begin = max(1, first - _BEFORE)
        if begin < first:
            piece = Piece(self._place(stream), begin, first - 1)
            await read(self.history, piece, Missing(), marks.take)

    async def _alerts(self, marks: Marks) -> None:
        """The latest changes of all alerts: their time is that of the wall, so a range of event time finds none."""
        changes: list[AlertChanged] = []
        place = Place(AlertChanged.stream, home_of("signals", self.history.partitions))
        try:
            async for each in backwards(self.history, place):
                changes += [event for event in reversed(each.events) if isinstance(event, AlertChanged)]
                if len(changes) >= _CHANGES:
                    self.missing.add(f"of alerts only the latest {len(changes):,} changes were looked through")
                    break
        except CorruptEvent as error:
            self.missing.add(f"alerts: {error.args[0]}")
        for change in reversed(changes):
            marks.take(change)

    async def _serving(self) -> dict[str, str]:
        """Agent -> digest of the bundle that scores this partition for it, as it said last."""
        found: dict[str, str] = {}
        end = (await self.history.ends([self._place(ModelMeasured.stream)])).popitem()[1]
        events: list[AnyEvent] = []
        last = Piece(self._place(ModelMeasured.stream), max(1, end - _MEASURES + 1), end)
        await read(self.history, last, Missing(), events.append)
        for event in events:
            if isinstance(event, ModelMeasured) and event.role == "champion":
                found[event.agent] = event.bundle
        return found

    async def _scores(self, span: Span) -> Curve | None:
        if not self.asked.score:
            return None
        trace = self._trace(span)
        await self.scan.go(await self._pieces(ReadingsScored.stream), span, trace)
        return await self._curve(trace)


def _facts(curve: Curve, rejected: int) -> dict[str, Any]:
    """What stands beside the curve, as far as the range tells of it."""
    seen = int(curve.times[-1] - curve.times[0]) if len(curve.times) > 1 else 0
    return {
        "lowest": curve.ends[0] if curve.ends else None,
        "highest": curve.ends[1] if curve.ends else None,
        "per_minute": round((curve.count - 1) / (seen / 60e9), 3) if seen else None,
        "rejected_share": rejected / (rejected + curve.count) if rejected + curve.count else None,
    }
