"""Findings as a list, for set-ups in which nobody follows alerts."""

from collections.abc import Callable
from typing import Any

from agents.notification.alerts.alert import RANK
from bus.news import News
from bus.protocol import Bus, Place
from bus.scan import backwards
from contracts.events import AlertLabelled, AnomalyDetected, DriftDetected, Severity
from contracts.instants import iso

_KINDS = (AnomalyDetected, DriftDetected)


async def latest(bus: Bus, most: int, *, labelled: bool, least: Severity = "info") -> list[dict[str, Any]]:
    """The latest findings as plain data, newest first; ``labelled``: of those that somebody labelled."""

    def wanted(event: AnomalyDetected | DriftDetected) -> bool:
        return RANK[event.severity] >= RANK[least] and (not labelled or event.id in labels)

    said = await News([AlertLabelled]).read(bus)
    labels = {event.alert: event for event in said if isinstance(event, AlertLabelled)}
    found: list[AnomalyDetected | DriftDetected] = []
    for stream in sorted(kind.stream for kind in _KINDS):
        for number in range(bus.partitions):
            found += await _latest(bus, Place(stream, number), most, wanted)
    chosen = sorted(found, key=lambda event: (-event.time, event.id))[:most]
    return [_row(event, labels.get(event.id)) for event in chosen]


async def _latest(
    bus: Bus, place: Place, most: int, wanted: Callable[[AnomalyDetected | DriftDetected], bool]
) -> list[AnomalyDetected | DriftDetected]:
    found: list[AnomalyDetected | DriftDetected] = []
    async for each in backwards(bus, place):
        found += [e for e in reversed(each.events) if isinstance(e, _KINDS) and wanted(e)]
        if len(found) >= most:
            break
    return found


def _row(event: AnomalyDetected | DriftDetected, said: AlertLabelled | None) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type_name(),
        "time": iso(event.time),
        "asset": event.asset,
        "channel": event.channel,
        "severity": event.severity,
        "reason": event.reason if isinstance(event, AnomalyDetected) else f"drift: {event.kind} {event.direction}",
        "detector": event.detector,
        "bundle": event.bundle,
        "verdict": said.verdict if said else None,
        "by": said.by if said else None,
        "note": said.note if said else None,
    }
