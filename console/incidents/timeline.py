"""What happened around an incident, line by line, in the order of time."""

from collections.abc import Iterator
from typing import Any

from contracts.events import (
    AgentFailed,
    AgentStarted,
    AgentStopped,
    AnomalyCleared,
    AnomalyDetected,
    DataQualityIncident,
    DriftDetected,
    Event,
    NotificationDue,
    NotificationFailed,
    SilenceSet,
)
from contracts.identity import series_name
from contracts.instants import iso
from contracts.rows import event_row

from ..drifts.report_content import way
from .gathering import Around

#: Of other events, what a line tells.
_SHOWN: tuple[str, ...] = ("agent", "source", "check", "state", "name", "alias", "model_version", "plan", "bundle")
_SHOWN += ("origin", "position")
_SHOWN += ("action", "kind", "reason", "error", "detail", "by", "why")
#: Stream -> what a line is about.
_ABOUT = {
    "anomalies": "finding",
    "drift": "finding",
    "changes": "finding",
    "incidents": "data",
    "notifications": "message",
    "models": "model",
    "deployments": "model",
    "training": "training",
}
Row = dict[str, Any]


def timeline(around: Around, told: list[Row]) -> list[Row]:
    """``time``, ``clock`` (event or wall), ``about``, ``what``, ``where`` and ``detail`` of each line.

    ``told``: the life and the messages of the alert, as ``console.alerting.story`` tells them.
    """
    rows = [*map(_row, around.events), *(_of_story(each) for each in told)]
    rows += [row for event in around.events if isinstance(event, NotificationDue) for row in _receipt(around, event)]
    rows += [
        _line(iso(time), "event", "model", event.type_name(), event.asset, _fields(event))
        for time, event in around.served
    ]
    for label in around.labels:
        detail = f"{label.verdict}, by {label.by} {label.note}".rstrip()
        rows.append(_line(iso(label.time), "wall", "person", "labelled", "", detail))
    for event in around.silences:
        detail = f"by {event.by}"
        if isinstance(event, SilenceSet):
            detail = f"{', '.join(event.matchers)} until {iso(event.ends)}, {detail} {event.comment}".rstrip()
        rows.append(_line(iso(event.time), "wall", "person", event.type_name(), "", detail))
    return sorted(rows, key=lambda row: (row["time"], row["what"], row["detail"]))


def _line(time: str, clock: str, about: str, what: str, where: str, detail: str, name: str = "") -> Row:
    return {
        "time": time, "clock": clock, "about": about, "what": what, "where": where, "detail": detail, "id": name,
    }  # fmt: skip


def _of_story(each: Row) -> Row:
    about = "message" if each["what"].startswith("told ") else "alert"
    return _line(each["time"], "wall", about, each["what"], "", each["detail"])


def _row(event: Event) -> Row:
    about = _ABOUT.get(event.stream, "service")
    clock = "wall" if event.operational else "event"
    where = series_name(event.asset, event.channel)
    return _line(iso(event.time), clock, about, event.type_name(), where, _detail(event), event.id)


def _detail(event: Event) -> str:
    if isinstance(event, AnomalyDetected):
        return f"{event.reason}, score {event.score:.3g} over {event.threshold:.3g}, value {event.value:.6g}"
    if isinstance(event, AnomalyCleared):
        return f"after {event.lasted / 1e9:,.0f} s"
    if isinstance(event, DriftDetected):
        size = f"{way(event.kind, event.direction)} by {event.effect:.3g} {event.unit}, since {iso(event.since)}"
        return f"{size}; {event.detail}" if event.detail else size
    if isinstance(event, DataQualityIncident):
        return f"{event.kind}, {event.state}: {event.detail}"
    if isinstance(event, NotificationDue):
        return f"due: {event.subject}"
    if isinstance(event, AgentStarted | AgentStopped | AgentFailed):
        return f"{event.agent} {getattr(event, 'error', '')}".rstrip()
    return _fields(event)


def _fields(event: Event) -> str:
    row = event_row(event)
    return ", ".join(f"{name} {row[name]}" for name in _SHOWN if row.get(name) not in (None, ""))


def _receipt(around: Around, due: NotificationDue) -> Iterator[Row]:
    event = around.receipts.get(due.key)
    if event is None:
        return
    what, detail = "delivered", f"{event.subscriber}, try {event.attempt}"
    if isinstance(event, NotificationFailed):
        what, detail = "given up", f"{detail}: {event.error}"
    yield _line(iso(event.time), "wall", "message", what, "", detail, event.id)
