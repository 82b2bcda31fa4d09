"""What a report on an incident says, as plain values: its JSON, which everything else is drawn from."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from contracts.events import (
    AnomalyDetected,
    DeadLetterRedriven,
    DriftAcknowledged,
    Event,
    ModelPromoted,
    NotificationDue,
    NotificationFailed,
    RolloutChanged,
)
from contracts.identity import series_name
from contracts.instants import iso
from contracts.readings import verdict_word

from .causes import candidates
from .gathering import MOST_CURVES, Around, unread, when
from .subject import MOST, Subject
from .timeline import Row, timeline

#: Raw readings of the evidence that are listed; their ordinals say where all of them are.
_READINGS = 50


def content(
    subject: Subject, around: Around, *, story: Row, lineage: Row | None, missing: dict[str, str], bundle: Row | None
) -> dict[str, Any]:
    """The whole report.

    story    of an alert, as ``console.alerting.story`` tells it; empty for a finding
    lineage  of the first finding, as ``tocsin lineage`` tells it
    bundle   manifest of the bundle beside the report, None without one
    missing  part -> why it is not there
    """
    lines = timeline(around, story.get("timeline", []))
    gaps = subject.missing | missing | unread(around) | _cut(subject, around)
    return {
        "kind": "tocsin incident report",
        "format": 1,
        "alert": _about(subject),
        "looked_at": {"event_time": when(subject.span), "wall_clock": when(subject.walls)},
        "impact": _impact(subject, around, lines),
        "timeline": lines,
        "curves": _curves(subject, around),
        "candidates": candidates(subject, around),
        "actions": _actions(subject, around),
        "similar": story.get("similar", []),
        "lineage": _lineage(lineage) if lineage else None,
        "bundle": bundle,
        "missing": gaps | ({} if lineage is None else dict(lineage["missing"])),
    }


def _about(subject: Subject) -> Row:
    now = subject.changes[-1] if subject.changes else None
    return {
        "id": subject.id, "what": "alert" if now else "finding", "kind": subject.kind, "asset": subject.asset,
        "channel": subject.channel, "severity": subject.severity, "summary": subject.summary, "detail": subject.detail,
        "state": now.state if now else "over" if subject.ended is not None else "not known to be over",
        "began": iso(subject.began), "last": iso(subject.last),
        "ended": iso(subject.ended) if subject.ended is not None else None,
        "opened": iso(subject.opened) if subject.opened is not None else None,
        "score": subject.score, "findings": subject.findings, "contributions": subject.contributions,
        "finding": subject.finding.id if subject.finding else None, "owner": now.owner if now else "",
    }  # fmt: skip


def _impact(subject: Subject, around: Around, lines: list[Row]) -> Row:
    near = [event for event in around.events if isinstance(event, AnomalyDetected)]
    begin = subject.opened if subject.changes else subject.began
    lasted = None if subject.ended is None or begin is None else round((subject.ended - begin) / 1e9, 3)
    rejected: Counter[str] = Counter()
    for counts in around.rejected.values():
        rejected.update({verdict_word(verdict): number for verdict, number in counts.items()})
    gaps = [row for row in lines if row["what"] == "DataQualityIncident" and row["detail"].startswith(("gap", "stale"))]
    messages = [row for row in lines if row["about"] == "message"]
    return {
        "machine": subject.asset,
        "series": sorted({*around.accepted, *around.rejected}),
        "series_with_anomalies": sorted({series_name(e.asset, e.channel) for e in near}),
        "machines_with_anomalies": sorted({event.asset for event in near}),
        "anomalies": len(near),
        "lasted_s": lasted,
        "accepted": sum(around.accepted.values()),
        "rejected": dict(rejected.most_common()),
        "gaps": len(gaps),
        "messages": sum(row["what"].startswith("told ") or row["what"] == "NotificationDue" for row in messages),
        "given_up": sum(isinstance(each, NotificationFailed) for each in around.receipts.values())
        + sum(": given up" in row["detail"] for row in messages),
    }


def _curves(subject: Subject, around: Around) -> list[Row]:
    """Values over time: first the series of the alert, then those with the largest shares in it."""

    def rank(name: str) -> tuple[bool, float, str]:
        channel = name.removeprefix(f"{subject.asset}/")
        return channel != subject.channel, -subject.contributions.get(channel, 0.0), name

    found = []
    for name in sorted(around.curves, key=rank)[:MOST_CURVES]:
        times, low, high = around.curves[name].bands()
        curve = {"times": [iso(time) for time in times.tolist()], "low": low.tolist(), "high": high.tolist()}
        marks = [
            {"time": iso(e.time), "what": e.type_name(), "channel": e.channel}
            for e in around.events
            if not e.operational and e.asset == subject.asset and not isinstance(e, NotificationDue)
            and f"{e.asset}/{e.channel}" in (name, f"{subject.asset}/")
        ]  # fmt: skip
        marks += [{"time": iso(time), "what": event.type_name(), "channel": ""} for time, event in around.served]
        found.append({"series": name, "curve": curve, "marks": marks})
    return found


def _actions(subject: Subject, around: Around) -> list[Row]:
    """What people did: to the alert, and to models, references and dead letters meanwhile."""
    rows = [
        {"time": iso(e.time), "what": e.change, "by": e.by, "note": e.note}
        for e in subject.changes
        if e.by or e.change in ("silenced", "unsilenced")
    ]
    rows += [{"time": iso(e.time), "what": f"said: {e.verdict}", "by": e.by, "note": e.note} for e in around.labels]
    for event in around.silences:
        note = getattr(event, "comment", "")
        rows.append({"time": iso(event.time), "what": event.type_name(), "by": event.by, "note": note})
    decided: Iterable[Event] = [*(event for _, event in around.served), *around.events]
    for each in decided:
        if isinstance(each, DriftAcknowledged | ModelPromoted | RolloutChanged | DeadLetterRedriven):
            note = str(getattr(each, "why", ""))
            rows.append({"time": iso(each.time), "what": each.type_name(), "by": each.by, "note": note})
    return sorted(rows, key=lambda row: (row["time"], row["what"]))


def _lineage(found: Row) -> Row:
    """The walk back to raw readings, without what stands elsewhere in the report."""
    rows, keep = found["readings"], ("alert", "bundle", "feature_set", "model", "mlflow_run_id", "training")
    whole = {name: found[name] for name in (*keep, "environment")}
    return {**whole, "readings": rows[-_READINGS:], "readings_in_all": len(rows)}


def _cut(subject: Subject, around: Around) -> dict[str, str]:
    """What was not looked at."""
    found = {}
    if subject.span[1] < subject.last:
        found["later"] = f"what came later than {MOST // 10**9 // 3600} hours after the beginning was not looked at"
    if subject.changes and subject.changes[0].change != "opened":
        found["life"] = "the beginning of the alert is gone from the log"
    if around.left_out:
        found["timeline"] = f"{around.left_out:,} later events are left out"
    if len(around.accepted) > MOST_CURVES:
        found["curves"] = f"{len(around.accepted) - MOST_CURVES:,} series of the machine are not drawn"
    if not around.accepted and not around.rejected:
        found["readings"] = "no readings of the machine stand in log or archive at that time"
    return found
