"""Candidates for the cause of an incident, each by a stated rule, with what the log has for and against it.

A rule says what stands in the log and how near it is to the beginning. None proves a cause, and nothing is guessed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from contracts.events import (
    AgentFailed,
    AgentStarted,
    AnomalyDetected,
    DataQualityIncident,
    DriftAcknowledged,
    DriftDetected,
    Event,
    LogGap,
    LogRewound,
    ModelServed,
    PartitionStopped,
)
from contracts.instants import SECOND, iso
from contracts.readings import Verdict
from models.drift.words import FAULTS

from ..drifts.report_content import way
from .gathering import Around
from .subject import Subject

#: So close to the beginning something is likely to have to do with it, and so close it may have.
NEAR, FAR = 600 * SECOND, 3_600 * SECOND
#: Readings that came late or twice are worth a word from this share of all on.
_SHARE = 0.01
_NAMED = 5
#: Worst first. "not excluded": the log has nothing for it, and cannot have anything against it.
VERDICTS = ("likely", "possible", "not excluded", "nothing found", "not known")


@dataclass
class Candidate:
    """One rule and what it gave; ``evidence`` names events of the log."""

    cause: str
    rule: str
    verdict: str = "nothing found"
    evidence: list[str] = field(default_factory=list)

    def found(self, verdict: str, evidence: str) -> None:
        """Something speaks for it; the strongest verdict stays."""
        self.verdict = min(self.verdict, verdict, key=VERDICTS.index)
        self.evidence.append(evidence)

    def row(self) -> dict[str, Any]:
        """As plain data."""
        more = len(self.evidence) - _NAMED
        shown = [*self.evidence[:_NAMED], *([f"{more:,} more stand in the timeline"] if more > 0 else [])]
        return {"cause": self.cause, "verdict": self.verdict, "evidence": shown, "rule": self.rule}


def candidates(subject: Subject, around: Around) -> list[dict[str, Any]]:
    """All rules, the strongest verdict first; among equal ones in the order of ``_RULES``."""
    found = [rule(subject, around) for rule in _RULES]
    found.sort(key=lambda each: VERDICTS.index(each.verdict))
    return [each.row() for each in found]


def _distance(subject: Subject, time: int) -> int:
    """How far before the beginning, ns; just after it counts as at it, and what came later is no cause."""
    return max(0, subject.began - time) if time <= subject.began + NEAR else FAR + 1


def _by_distance(distance: int, *, own: bool = True) -> str:
    return "likely" if distance <= NEAR and own else "possible" if distance <= FAR else "nothing found"


def _own(subject: Subject, event: Event) -> bool:
    """Of the very series; or of any, where the alert is about the machine as a whole."""
    return "" in (subject.channel, event.channel) or event.channel == subject.channel


def _named(event: Event) -> str:
    return f"{event.type_name()} {event.id[:12]} at {iso(event.time)}"


def _sensor(subject: Subject, around: Around) -> Candidate:
    rule = "a sensor fault (stuck, missing, unit, jump, clipping, rejected readings) of the series up to 10 minutes "
    found = Candidate("a faulty sensor", rule + "before the beginning is likely, of the machine or an hour possible")
    for event in _of(around, DataQualityIncident, DriftDetected):
        fault = event.kind in FAULTS if isinstance(event, DriftDetected) else event.kind in ("stuck", "rejections")
        if not fault or event.asset != subject.asset or _closed(event):
            continue
        verdict = _by_distance(_distance(subject, event.since), own=_own(subject, event))
        if verdict != "nothing found":
            found.found(verdict, f"{_named(event)}: {event.channel} {event.kind} since {iso(event.since)}")
    return found


def _gap(subject: Subject, around: Around) -> Candidate:
    rule = "readings of the series that did not come up to 10 minutes before the beginning are likely, of the machine "
    found = Candidate("a gap in the data", rule + "or up to an hour possible")
    for event in _of(around, DataQualityIncident):
        if event.kind not in ("gap", "stale") or event.asset != subject.asset or _closed(event):
            continue
        verdict = _by_distance(_distance(subject, max(event.since, event.time)), own=_own(subject, event))
        if verdict != "nothing found":
            found.found(verdict, f"{_named(event)}: {event.channel} {event.kind}, {event.detail}")
    return found


def _model(subject: Subject, around: Around) -> Candidate:
    rule = "another model that begins to serve this partition up to 10 minutes before the finding is likely, up to an "
    found = Candidate("another model", rule + "hour possible; where the change stands among the readings counts")
    for time, event in around.served:
        if isinstance(event, ModelServed):
            verdict = _by_distance(_distance(subject, time))
            if time <= subject.began and verdict != "nothing found":
                said = f"{event.agent} serves {event.bundle[:12]} from the readings of {iso(time)} on"
                found.found(verdict, f"ModelServed {event.id[:12]}: {said}")
    return found


def _reference(subject: Subject, around: Around) -> Candidate:
    rule = "for drift: a reference that somebody replaced up to an hour before is possible"
    found = Candidate("another reference", rule)
    for time, event in around.served:
        if not isinstance(event, DriftAcknowledged) or subject.kind != "drift" or event.asset != subject.asset:
            continue
        if 0 <= subject.began - time <= FAR:
            found.found("possible", f"DriftAcknowledged {event.id[:12]}: {event.action} by {event.by}")
    return found


def _restart(subject: Subject, around: Around) -> Candidate:
    rule = (
        "an agent that began, failed or stood still, or a hole in the log, up to an hour before the alert is possible"
    )
    found = Candidate("a restart of Tocsin, perhaps with another configuration", rule)
    begin = subject.opened or subject.began
    for event in _of(around, AgentStarted, AgentFailed, PartitionStopped, LogGap, LogRewound):
        if 0 <= begin - event.time <= FAR:
            found.found("possible", f"{_named(event)}: {event.agent}")
    if found.evidence:
        found.evidence.append("the log does not say whether the configuration was another one")
    elif not any(e.operational for e in around.events):
        found.verdict = "not known"
        found.evidence.append("no event of the service itself stands in the log at that time")
    return found


def _drift(subject: Subject, around: Around) -> Candidate:
    rule = "drift of the same machine that began before: of the series likely, of another one possible"
    found = Candidate("a slow change of the machine or its surroundings", rule)
    for event in _of(around, DriftDetected):
        other = event.asset == subject.asset and event.kind not in FAULTS and event.id not in subject.named
        if other and event.since <= subject.began:
            said = f"{event.channel} {way(event.kind, event.direction)} since {iso(event.since)}"
            found.found("likely" if _own(subject, event) else "possible", f"{_named(event)}: {said}")
    return found


def _neighbours(subject: Subject, around: Around) -> Candidate:
    rule = "anomalies of other machines up to 10 minutes before or after: of the same source likely, others possible"
    found = Candidate("something that several machines have in common", rule)
    mine = around.sources.get(subject.asset, set())
    for event in _of(around, AnomalyDetected):
        if event.asset != subject.asset and abs(event.time - subject.began) <= NEAR:
            shared = sorted(mine & around.sources.get(event.asset, set()))
            said = f"same source {shared[0]}" if shared else "another source"
            found.found("likely" if shared else "possible", f"{_named(event)}: {event.asset}, {said}")
    return found


def _late(subject: Subject, around: Around) -> Candidate:
    rule = "one reading in a hundred of the machine, or more, that came late, twice or with another value is possible"
    found = Candidate("readings that come late or twice", rule)
    for series, counts in sorted(around.rejected.items()):
        wrong = sum(counts[each] for each in (Verdict.LATE, Verdict.DUPLICATE, Verdict.CONFLICT, Verdict.FUTURE))
        total = counts.total() + around.accepted[series]
        if wrong and wrong >= _SHARE * total:
            found.found("possible", f"{wrong:,} of {total:,} readings of {series}")
    return found


def _machine(subject: Subject, around: Around) -> Candidate:
    rule = "always a candidate: Tocsin sees sensors, not machines"
    found = Candidate("the machine itself", rule, "not excluded")
    for channel, share in sorted(subject.contributions.items(), key=lambda item: -item[1])[:3]:
        found.evidence.append(f"{channel} has {share:.0%} of the score")
    return found


_RULES: tuple[Callable[[Subject, Around], Candidate], ...] = (
    _sensor, _gap, _model, _reference, _neighbours, _drift, _restart, _late, _machine,
)  # fmt: skip


def _of(around: Around, *kinds: type[Any]) -> Iterable[Any]:
    return [event for event in around.events if isinstance(event, kinds)]


def _closed(event: Event) -> bool:
    return isinstance(event, DataQualityIncident) and event.state == "closed"
