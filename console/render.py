"""Events as lines for people."""

from collections.abc import Callable
from typing import Any

from contracts.identity import series_name
from contracts.instants import iso

from .output import still

_COLOURS = {
    "AnomalyDetected": "bold red",
    "AnomalyCleared": "green",
    "DriftDetected": "bold magenta",
    "ScoresDrifted": "bold magenta",
    "PrecisionFell": "bold magenta",
    "DataQualityIncident": "yellow",
    "ReadingsRejected": "yellow",
    "NotificationSent": "dim",
    "LineageRecorded": "dim",
    "DeadLettered": "bold red",
    "SourceFailed": "bold red",
    "AgentFailed": "bold red",
    "NotificationFailed": "bold red",
    "DeliveryAttempted": "yellow",
    "TimePassed": "dim",
}
_ALERTS = {"critical": "bold red", "warning": "yellow"}


def line(row: dict[str, Any]) -> str:
    """One row of the log as one line: when, what, where, why; whatever names are in it, it stays one."""
    where = series_name(row["asset"], row["channel"])
    return still(f"{row['time']:<30} {row['type']:<20} {where:<44} {_what(row)}")


def style(row: dict[str, Any]) -> str:
    """The rich style of the line."""
    if row["type"] == "AlertChanged":
        return "green" if row["state"] == "resolved" else _ALERTS.get(row["severity"], "")
    return _COLOURS.get(row["type"], "")


def span(seconds: float) -> str:
    """A length of time in its two largest units: ``4 d 10 h``."""
    left, parts = round(seconds), []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def _what(row: dict[str, Any]) -> str:  # noqa: PLR0911 - one line for each kind of event
    match row["type"]:
        case "AnomalyDetected":
            return f"{_reason(row)} ({row['value']:.6g}), score {row['score']:.2f}  {row['id'][:12]}"
        case "AnomalyCleared":
            return f"normal again after {span(row['lasted'] / 1e9)}"
        case "DriftDetected":
            return _drift(row)
        case "DataQualityIncident":
            return f"{row['kind']} {row['state']}: {row['detail']}"
        case "ReadingsRejected":
            return f"{row['verdict']}: {row.get('note', row['value'])!r}"
        case "NotificationDue":
            return f"to {row['subscriber']} ({row['why']}): {row['subject']}" if "subscriber" in row else row["subject"]
        case "SourceFailed" | "AgentFailed":
            return str(row["error"])
        case "DeadLettered":
            return f"{row['agent']} could not handle {row['origin']} {row['position']}: {row['reason']}"
        case "ReadingsAcquired" | "ReadingsAccepted":
            return f"{row['value']}"
    told = _OF_ALERTS.get(row["type"])
    return told(row) if told else _rest(row)


def _alert_changed(row: dict[str, Any]) -> str:
    words = [row["change"], *(["by " + row["by"]] if "by" in row else []), *(["silenced"] if row["silenced"] else [])]
    note = f" ({row['note']})" if "note" in row else ""
    return f"[{row['severity']}] {', '.join(words)}{note}: {row['summary']}  {row['alert'][:12]}"


def _signalled(row: dict[str, Any]) -> str:
    first, count = row["signals"][0], len(row["signals"])
    more = f", and {count - 1:,} more" if count > 1 else ""
    return f"{first['kind']} {first['state']}: {first['summary']}{more}  from {row['origin']}"


def _decided(row: dict[str, Any]) -> str:
    until = f" until {iso(row['until'])}" if row.get("until") else ""
    return f"{row['alert'][:12]} by {row['by']}{until}{_why(row['note'])}"


def _silence_set(row: dict[str, Any]) -> str:
    span = f"{iso(row['starts'])} to {iso(row['ends'])}"
    return f"{', '.join(row['matchers'])}  {span}  by {row['by']}{_why(row['comment'])}  {row['id'][:12]}"


def _subscriber(row: dict[str, Any]) -> str:
    what = row.get("state") or ("removed" if row.get("removed") or row["type"] == "SubscriberRemoved" else "set")
    kind = f" ({row['spec'].get('kind', '')})" if row.get("spec") else ""
    by = f" by {row['by']}" if row.get("by") else ""
    return f"{row['name']}{kind}: {what}{by}{_why(row.get('why', ''))}"


def _attempted(row: dict[str, Any]) -> str:
    """A try that succeeded, one that did not, or the last of them."""
    what = row.get("error") or row.get("answer") or "delivered"
    pause = f", again after {row['retry_s']:.3g} s" if row.get("retry_s") else ""
    return f"to {row['subscriber']}, try {row['attempt']}: {what}{pause}  {row['key'][:12]}"


def _why(text: str) -> str:
    return f": {text}" if text else ""


#: Events about alerts, subscribers and recoveries, each with how it is told.
_OF_ALERTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "AlertChanged": _alert_changed,
    "Signalled": _signalled,
    "TimePassed": lambda row: "",
    **dict.fromkeys(("AlertAcknowledged", "AlertClosed", "AlertPushed"), _decided),
    "SilenceSet": _silence_set,
    "SilenceEnded": lambda row: f"{row['silence'][:12]} by {row['by']}",
    **dict.fromkeys(("SubscriberSet", "SubscriberRemoved", "SubscriberChanged", "SubscriberNoted"), _subscriber),
    "RecoveryStepTaken": lambda row: f"{row['step']} {row['outcome']}, by {row['by']}: {row['detail']}",
    "SubscriberTested": lambda row: f"{row['name']}: a test is sent, by {row['by']}",
    **dict.fromkeys(("DeliveryAttempted", "NotificationSent", "NotificationFailed"), _attempted),
}


#: Of what is said of a model its long name comes last.
_SAID = ("source", "readings", "statistic", "kind", "direction", "labels", "precision", "least")
_LAST = ("agent", "contributions", "bundle", "run_id")


def _rest(row: dict[str, Any]) -> str:
    return ", ".join(f"{key} {row[key]}" for key in (*_SAID, *_LAST) if key in row)[:100]


def _drift(row: dict[str, Any]) -> str:
    if row["kind"] == "new asset":
        return f"new asset: {row['detail']}  {row['id'][:12]}"
    size = f"{row['kind']} {row['direction']} by {row['effect']:.3g} {row['unit']} since {row['since'][:19]}Z"
    return f"{size}  {row['id'][:12]}" + (f" (part of {row['part_of'][:12]})" if row.get("part_of") else "")


def _reason(row: dict[str, Any]) -> str:
    from models.signals.bearing import meaning

    about = meaning(row["channel"])
    return f"{row['reason']}: {about}" if about else str(row["reason"])
