"""Everything about one alert: how it went, who was told, what the readings were, and what was like it before."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.notification.alerts.alert import Alert
from bus.news import News
from bus.protocol import Place, Recorded
from bus.scan import backwards, scan
from contracts.events import (
    AlertChanged,
    AlertLabelled,
    AnomalyDetected,
    DriftDetected,
    NotificationDue,
    NotificationFailed,
    NotificationSent,
    ReadingsAccepted,
)
from contracts.identity import home_of, partition_of
from contracts.instants import iso
from contracts.readings import Float64, Int64
from contracts.rows import event_row

from ..curves.trace import Trace

#: Readings of the partition before and behind the finding in which those of its series are looked for.
_AROUND = 20_000
#: Readings of the series that are shown before and behind the finding; of them so many points at most.
_BEFORE, _BEHIND = 400, 200
_POINTS = 200
#: Of the latest changes of alerts so many are looked through.
_LOOKED = 20_000
_SIMILAR = 10
#: Findings of the partition among which the first one of the alert is looked for.
_SOUGHT = 100_000


async def story(recorded: Recorded, alert: Alert) -> dict[str, Any]:
    """Its life and messages in the order of time, its first finding with the curve around it, and what was like it."""
    latest = await changes(recorded)
    life = [event for event in latest if event.alert == alert.id]
    told = await _told(recorded, alert.id, since=min((event.time for event in life), default=0))
    timeline = sorted([*map(_change, life), *told], key=lambda each: each["time"])
    finding = await _finding(recorded, alert, partition_of(alert.asset, recorded.partitions))
    said = {e.alert: e for e in await News([AlertLabelled]).read(recorded) if isinstance(e, AlertLabelled)}
    label = said.get(alert.finding)
    return {
        "verdict": {"verdict": label.verdict, "by": label.by, "note": label.note} if label else None,
        "why": event_row(finding) if finding else None,
        "timeline": timeline,
        "curve": await _curve(recorded, alert, finding),
        "similar": _similar(said, latest, alert),
    }


async def changes(recorded: Recorded) -> list[AlertChanged]:
    """The latest changes of all alerts, oldest first."""
    found: list[AlertChanged] = []
    place = Place(AlertChanged.stream, home_of("signals", recorded.partitions))
    async for each in backwards(recorded, place):
        found += [event for event in reversed(each.events) if isinstance(event, AlertChanged)]
        if len(found) >= _LOOKED:
            break
    return found[::-1]


def _change(event: AlertChanged) -> dict[str, Any]:
    said = [f"by {event.by}"] if event.by else []
    return {
        "time": iso(event.time),
        "what": event.change,
        "detail": " ".join([*said, event.note]).strip() or event.summary,
    }


async def _told(recorded: Recorded, alert: str, since: int) -> list[dict[str, Any]]:
    """The messages that name it, each with how its delivery ended."""
    home = home_of("signals", recorded.partitions)
    messages: dict[str, NotificationDue] = {}
    async for each in backwards(recorded, Place(NotificationDue.stream, home)):
        for event in each.events:
            if isinstance(event, NotificationDue) and any(note.alert == alert for note in event.alerts):
                messages[event.key] = event
        if each.events and isinstance(each.events[0], NotificationDue) and each.events[0].time < since:
            break
    ends = await _ends(recorded, home, messages, since)
    return [
        {
            "time": iso(event.time),
            "what": f"told {event.subscriber}",
            "detail": f"{event.why}: {ends.get(key, 'on its way')}",
        }
        for key, event in messages.items()
    ]


async def _ends(recorded: Recorded, home: int, keys: Mapping[str, Any], since: int) -> dict[str, str]:
    """Key -> how its delivery ended."""
    found: dict[str, str] = {}
    async for each in backwards(recorded, Place(NotificationSent.stream, home)):
        for event in each.events:
            if isinstance(event, NotificationSent) and event.key in keys:
                found.setdefault(event.key, f"delivered {iso(event.time)}")
            elif isinstance(event, NotificationFailed) and event.key in keys:
                found.setdefault(event.key, f"given up: {event.error}")
        if len(found) == len(keys) or (each.events and getattr(each.events[0], "time", since) < since):
            break
    return found


async def _curve(
    recorded: Recorded, alert: Alert, finding: AnomalyDetected | DriftDetected | None
) -> dict[str, Any] | None:
    """The readings around the first finding: of its series, or of the channel that has the largest share in it."""
    partition = partition_of(alert.asset, recorded.partitions)
    if finding is None or finding.evidence.stream != ReadingsAccepted.stream:
        return None
    shares = finding.contributions if isinstance(finding, AnomalyDetected) else {}
    channel = finding.channel or max(shares, key=lambda name: shares[name], default="")
    times, values = await _readings(recorded, Place(ReadingsAccepted.stream, partition), finding, channel)
    if not len(times):
        return None
    order = np.argsort(times, kind="stable")
    middle = int(np.searchsorted(times[order], finding.time))
    order = order[max(0, middle - _BEFORE) : middle + _BEHIND]
    times, values = times[order], values[order]
    return {"series": f"{alert.asset}/{channel}", "at": iso(finding.time), "points": _thinned(times, values)}


async def _finding(recorded: Recorded, alert: Alert, partition: int) -> AnomalyDetected | DriftDetected | None:
    stream = {"anomaly": AnomalyDetected.stream, "drift": DriftDetected.stream}.get(alert.kind)
    if stream is None:
        return None
    seen = 0
    async for each in backwards(recorded, Place(stream, partition)):
        for event in each.events:
            if isinstance(event, AnomalyDetected | DriftDetected) and event.id == alert.finding:
                return event
        seen += len(each.events)
        if seen >= _SOUGHT:
            break
    return None


async def _readings(
    recorded: Recorded, place: Place, finding: AnomalyDetected | DriftDetected, channel: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Times (ns) and values of one series around a finding, in the order of the log."""
    times, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    last = finding.evidence.last
    first = max((await recorded.starts([place]))[place], last - _AROUND)
    async for each in scan(recorded, place, first, min(last + _AROUND, (await recorded.ends([place]))[place])):
        for event in each.events:
            if isinstance(event, ReadingsAccepted):
                mine = [s.asset == finding.asset and s.channel == channel for s in event.readings.series]
                rows = np.array(mine)[event.readings.code]
                times.append(event.readings.time[rows])
                values.append(event.readings.value[rows])
    return np.concatenate(times), np.concatenate(values)


def _thinned(times: Int64, values: Float64) -> list[tuple[str, float]]:
    """Few points that keep the lowest and the highest of each step of time."""
    trace = Trace((int(times.min()), int(times.max())), most=_POINTS, steps=_POINTS // 2)
    trace.add(times, values)
    kept, heights = trace.points()
    return [(iso(time), value) for time, value in zip(kept.tolist(), heights.tolist(), strict=True)]


def _similar(said: Mapping[str, AlertLabelled], changes: list[AlertChanged], alert: Alert) -> list[dict[str, Any]]:
    """Earlier alerts of the same trouble, then of the same kind at the same machine, the latest first."""
    # How each stands now: one that came back has not ended.
    stands = {e.alert: e for e in changes}
    ended = {name: e.time for name, e in stands.items() if e.state == "resolved"}
    own = next((number for number, e in enumerate(changes) if e.alert == alert.id), 0)
    opened = [e for e in changes[:own] if e.change == "opened" and e.kind == alert.kind]
    near = [e for e in reversed(opened) if e.key == alert.key]
    near += [e for e in reversed(opened) if e.key != alert.key and e.asset == alert.asset]
    return [
        {
            "alert": event.alert,
            "time": iso(event.began),
            "summary": event.summary,
            "lasted_s": round((ended[event.alert] - event.time) / 1e9, 1) if event.alert in ended else None,
            "verdict": said[event.finding].verdict if event.finding in said else None,
            "note": said[event.finding].note if event.finding in said else "",
        }
        for event in near[:_SIMILAR]
    ]
