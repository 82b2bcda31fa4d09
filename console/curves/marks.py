"""What happened to a series, as marks on its curve."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

from agents.validation.incidents import span as length
from contracts.events import (
    AlertChanged,
    AlertLabelled,
    AnomalyCleared,
    AnomalyDetected,
    AnyEvent,
    DataQualityIncident,
    DriftAcknowledged,
    DriftDetected,
    DriftReferenced,
    Event,
    ModelServed,
)
from contracts.instants import SECOND

from ..drifts.report_content import way
from .asked import Asked
from .scanning import Decided, Span

Kind = Literal["alert", "anomaly", "drift", "gap", "model", "rejected"]
KINDS: tuple[Kind, ...] = ("alert", "anomaly", "drift", "gap", "model", "rejected")
#: Of each kind, the latest; and what is held while events are read, of all kinds together.
MOST, HELD = 500, 20_000
#: Event time and wall clock are that close where readings are watched as they come.
_LIVE = 3_600 * SECOND


@dataclass(frozen=True)
class Mark:
    """Something that happened at ``t``, or from ``t`` to ``until`` (event time, ns); ``open``: it lasts.

    what   in a word or two; ``text`` in a sentence
    id     of the event; ``link`` leads to the page about it
    count  how many it stands for
    """

    kind: Kind
    t: int
    what: str
    text: str
    until: int | None = None
    open: bool = False
    severity: str = ""
    id: str = ""
    link: str = ""
    score: float | None = None
    value: float | None = None
    count: int = 1
    verdict: str = ""

    def within(self, span: Span) -> bool:
        """Whether any of it is in a range."""
        last = span[1] if self.open else self.t if self.until is None else self.until
        return self.t <= span[1] and last >= span[0]


@dataclass
class Marks:
    """Turns events, in the order of the log, into marks of one series.

    findings  alert -> ids of its first and its latest finding
    dropped   kind -> the oldest marks that were let go, in a storm
    facts     what findings say beside: detector, its bundle, threshold of its score, digest of the reference of drift
    """

    asked: Asked
    found: dict[tuple[str, str], Mark] = field(default_factory=dict)
    findings: dict[str, set[str]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    facts: dict[str, Any] = field(
        default_factory=lambda: dict.fromkeys(("detector", "bundle", "threshold", "reference"))
    )

    def take(self, event: AnyEvent) -> None:
        """One event of any stream; what is not about the series is passed over."""
        if len(self.found) > HELD:
            for key in list(islice(self.found, HELD // 4)):
                self.dropped[self.found.pop(key).kind] += 1
        if isinstance(event, AlertChanged):
            self._alert(event)
        elif isinstance(event, Event) and about(self.asked, event):
            if isinstance(event, AnomalyDetected):
                self._anomaly(event)
            elif isinstance(event, AnomalyCleared):
                self._cleared(event)
            elif isinstance(event, DriftDetected | DriftReferenced):
                self._drift(event)
            elif isinstance(event, DataQualityIncident):
                self._incident(event)

    def label(self, events: Iterable[AlertLabelled]) -> None:
        """What people said of findings; the last one who says so counts."""
        said = {event.alert: event for event in events}
        for key, mark in self.found.items():
            if (label := said.get(mark.id)) is not None:
                text = f"{mark.text}; {label.by} said: {label.verdict} {label.note}".rstrip()
                self.found[key] = replace(mark, verdict=label.verdict, text=text)

    def within(self, span: Span) -> list[Mark]:
        """Those in a range."""
        # An alert that is over lasted as long as its findings, where the clock on the wall does not say.
        ends = {mark.id: mark.until for mark in self.found.values() if mark.until is not None}
        for key, mark in self.found.items():
            if mark.until is not None and mark.kind == "alert":
                lasted = [ends[name] for name in self.findings[mark.id] if name in ends]
                self.found[key] = replace(mark, until=max([mark.until, *lasted]))
        return [mark for mark in self.found.values() if mark.within(span)]

    def _anomaly(self, event: AnomalyDetected) -> None:
        self.facts |= {"detector": event.detector, "bundle": event.bundle, "threshold": event.threshold}
        text = f"{event.reason}: score {event.score:.3g} over {event.threshold:.3g}, value {event.value:.6g}"
        if not event.channel:
            share = event.contributions.get(self.asked.channel, 0.0)
            text = (
                f"{event.asset} as a whole, this channel's share {share:.0%}: {event.reason}, score {event.score:.3g}"
            )
        self.found["anomaly", event.id] = Mark(
            "anomaly", event.time, "anomaly", text, open=True, severity=event.severity, id=event.id,
            link=f"/lineage/{event.id}", score=event.score, value=event.value if event.channel else None,
        )  # fmt: skip

    def _cleared(self, event: AnomalyCleared) -> None:
        known = self.found.get(("anomaly", event.cause))
        # One that began before what was read is known by its end.
        began = Mark(
            "anomaly", event.time - event.lasted, "anomaly", "anomaly that began earlier", id=event.cause,
            link=f"/lineage/{event.cause}",
        )  # fmt: skip
        mark = known or began
        text = f"{mark.text}; over after {length(event.lasted)}"
        self.found["anomaly", event.cause] = replace(mark, until=event.time, open=False, text=text)

    def _drift(self, event: DriftDetected | DriftReferenced) -> None:
        self.facts["reference"] = event.reference
        if isinstance(event, DriftReferenced):
            text = (
                f"measured against another reference from here on ({event.origin}), by {event.by} {event.why}".rstrip()
            )
            mark = Mark("drift", event.time, "reference", text, id=event.id)
        else:
            what = f"drift: {way(event.kind, event.direction)}"
            text = f"{what} by {event.effect:.3g} {event.unit}; {event.detail}".rstrip("; ")
            mark = Mark(
                "drift", event.since, what, text, until=event.time, severity=event.severity, id=event.id,
                link=f"/lineage/{event.id}",
            )  # fmt: skip
        self.found["drift", event.id] = mark

    def _incident(self, event: DataQualityIncident) -> None:
        key = "gap", f"{event.kind} {event.since} {event.channel}"
        over, known = event.state == "closed", self.found.get(key)
        self.found[key] = Mark(
            "gap", event.since, event.kind, f"{event.kind}: {event.detail}", until=event.time if over else None,
            open=not over, severity=event.severity, id=known.id if known else event.id,
        )  # fmt: skip

    def _alert(self, event: AlertChanged) -> None:
        if not about(self.asked, event):
            return
        key = "alert", event.alert
        self.findings.setdefault(event.alert, set()).update((event.finding, event.latest))
        known = self.found.get(key)
        until = None
        if event.state == "resolved":
            # Where old readings came at once, the clock on the wall says nothing of when it was.
            until = event.time if abs(event.time - event.last) < _LIVE else event.last
        elif known is not None and known.until is not None and event.change != "reopened":
            until = known.until
        self.found[key] = Mark(
            "alert", event.began, "alert", f"{event.summary} ({event.state}{', silenced' if event.silenced else ''})",
            until=until, open=event.state != "resolved", severity=event.severity, id=event.alert,
            link=f"/alerts/{event.alert}", score=event.score or None, count=event.findings,
        )  # fmt: skip


def about(asked: Asked, event: Event) -> bool:
    """Whether an event is about the series, or its asset as a whole."""
    return event.asset == asked.asset and event.channel in ("", asked.channel)


def served(asked: Asked, found: Iterable[tuple[int, Decided]]) -> list[Mark]:
    """Changes of models, which serve whole partitions, and of references, that stand among readings."""
    marks = []
    for time, event in found:
        if isinstance(event, DriftAcknowledged) and about(asked, event):
            text = f"drift: {event.action}, by {event.by} {event.why}".rstrip()
            marks.append(Mark("drift", time, event.action, text, id=event.id))
        elif isinstance(event, ModelServed):
            beside = f", beside it {event.candidate.bundle[:12]} ({event.candidate.mode})" if event.candidate else ""
            text = f"{event.agent} serves {event.bundle[:12]} from here on{beside}"
            marks.append(Mark("model", time, "model", text, id=event.id))
    return marks


def latest(marks: Iterable[Mark]) -> tuple[list[Mark], dict[str, int]]:
    """In the order of time, of each kind the latest; and kind -> how many are left out."""
    found: list[Mark] = []
    left_out: dict[str, int] = {}
    every = list(marks)
    for kind in KINDS:
        mine = sorted((mark for mark in every if mark.kind == kind), key=lambda mark: (mark.t, mark.id))
        if len(mine) > MOST:
            left_out[kind] = len(mine) - MOST
        found += mine[-MOST:]
    return sorted(found, key=lambda mark: (mark.t, mark.kind, mark.id)), left_out
