"""What a report on drift says, as plain values: the JSON of it, which the page is drawn from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from contracts.events import DataQualityIncident, DriftAcknowledged, DriftDetected, Event
from contracts.identity import series_name
from contracts.instants import EARLIEST, LATEST, iso
from contracts.readings import verdict_word
from contracts.rows import event_row
from models.drift.two_sample import SMALLEST, Comparison, Interval, compare
from models.drift.words import F64

from .report_gathering import Followed, Gathering

#: Of other events, what a line of the timeline tells.
_SHOWN: tuple[str, ...] = (
    "agent",
    "state",
    "name",
    "alias",
    "model_version",
    "statistic",
    "kind",
    "direction",
    "labels",
    "precision",
)
_SHOWN += ("action", "origin", "bundle", "by", "why", "detail")
_LEVELS = np.linspace(0, 1, 101)


def content(found: Gathering, rate_of: Callable[[str], float | None] = lambda bundle: None) -> dict[str, Any]:
    """The whole report; series ranked: those with findings first, then by how far present and reference are apart.

    ``rate_of``: false alarms per vector that the calibration of a bundle states, None where it states none.
    """
    series = [_series(name, each) for name, each in sorted(found.series.items())]
    series.sort(key=lambda row: (not row["findings"], -(row["distance"] or 0.0), row["series"]))
    return {
        "from": _edge(found.scope.since),
        "to": _edge(found.scope.until),
        "reference_readings": found.most,
        "series": series,
        "bundles": found.bundles.rows(rate_of),
        "timeline": [_said(event) for event in sorted(found.events, key=lambda event: (event.time, event.id))],
        "series_left_out": len(found.left_out),
        "entries_unread": found.unread,
    }


def way(kind: str, direction: str) -> str:
    """``mean up``; ``stuck``, which has no direction."""
    return kind if direction == "none" else f"{kind} {direction}"


def _edge(time: int) -> str | None:
    return iso(time) if EARLIEST < time < LATEST else None


def _series(name: str, each: Followed) -> dict[str, Any]:
    reference, present = each.reference.values(), each.present.values()
    enough = min(len(reference), len(present)) >= SMALLEST
    compared = compare(reference, present) if enough else None
    times, low, high = each.curve.bands()
    rejected = each.rejected.total()
    total = each.readings + rejected
    return {
        "series": name,
        "readings": each.readings,
        "rejected_share": rejected / total if total else 0.0,
        "rejected": {verdict_word(verdict): count for verdict, count in each.rejected.most_common()},
        "began": iso(each.since) if each.findings else None,
        "findings": [event_row(event) for event in each.findings],
        "distance": compared.ks if compared else None,
        "p": compared.p if compared else None,
        "shift": _interval(compared.shift) if compared else None,
        "ratio": _interval(compared.ratio) if compared else None,
        "worth": _worth(compared),
        "quantiles": {"levels": _LEVELS.tolist(), "reference": _quantiles(reference), "present": _quantiles(present)},
        "curve": {"times": [iso(time) for time in times.tolist()], "low": low.tolist(), "high": high.tolist()},
    }


def _quantiles(values: F64) -> list[float]:
    found: list[float] = np.quantile(values, _LEVELS).tolist() if len(values) else []
    return found


def _interval(found: Interval) -> dict[str, float]:
    return {"effect": found.effect, "low": found.low, "high": found.high}


def _worth(compared: Comparison | None) -> dict[str, float] | None:
    return {"reference": compared.effective_a, "present": compared.effective_b} if compared else None


def _said(event: Event) -> dict[str, Any]:
    """One line of the timeline."""
    row = event_row(event)
    whole = isinstance(event, DriftDetected | DriftAcknowledged)
    where = series_name(event.asset, event.channel) if event.channel or whole else ""
    if isinstance(event, DriftDetected):
        what = f"{way(event.kind, event.direction)} by {event.effect:.3g} {event.unit}, since {iso(event.since)}"
        what += f"; {event.detail}" * bool(event.detail)
    elif isinstance(event, DataQualityIncident):
        what = f"{event.kind}: {event.detail}"
    else:
        what = ", ".join(f"{key} {row[key]}" for key in _SHOWN if row.get(key))
    return {"time": row["time"], "type": row["type"], "series": where, "what": what, "id": event.id}
