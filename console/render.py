"""Events as lines for people."""

from typing import Any

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
}


def line(row: dict[str, Any]) -> str:
    """One row of the log as one line: when, what, where, why."""
    where = f"{row['asset']}/{row['channel']}" if row["channel"] else row["asset"]
    return f"{row['time']:<30} {row['type']:<20} {where:<44} {_what(row)}"


def style(row: dict[str, Any]) -> str:
    """The rich style of the line."""
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
            return str(row["subject"])
        case "SourceFailed" | "AgentFailed":
            return str(row["error"])
        case "DeadLettered":
            return f"{row['agent']} could not handle {row['origin']} {row['position']}: {row['reason']}"
        case "ReadingsAcquired" | "ReadingsAccepted":
            return f"{row['value']}"
    return _rest(row)


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
