"""What every series is like at first: from what agents saved, and from a bounded look back at the log.

The state that validation saves knows all series, their last readings and what is wrong with their data. Where there is
none, or it cannot be read, the last readings and incidents of each partition tell what they can.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

import anyio
import anyio.lowlevel
import numpy as np
from anyio import to_thread

from agents.notification.alerts.present import present
from bus.protocol import Bus, Entry, Place
from contracts.errors import CorruptEvent, NotFound
from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    DataQualityIncident,
    DriftDetected,
    DriftReferenced,
    Event,
    ReadingsAccepted,
    ReadingsAcquired,
    ReadingsEvent,
)
from contracts.frames import Unread, decode_all
from contracts.settings import Settings

from .fleet import NEVER, Fleet

#: What is looked at of each partition where nobody saved anything: entries, readings, and events of other streams.
_ENTRIES, _READINGS, _EVENTS = 4_000, 200_000, 2_000
_STEP = 2_000
_NEW_ASSET = "new asset"


async def prime(fleet: Fleet, bus: Bus, settings: Settings) -> bool:
    """Fill an empty fleet; returns whether somebody follows alerts. Raises Unavailable."""
    followed = await _alerts(fleet, bus, settings)
    for partition in range(bus.partitions):
        ends = await _saved(fleet, bus, settings, partition)
        await _readings(fleet, bus, Place(ReadingsAccepted.stream, partition), ends)
        for kind in (DataQualityIncident, DriftDetected, *(() if followed else (AnomalyDetected,))):
            async for event in _events(bus, Place(kind.stream, partition), ends):
                happened(fleet, event, followed=followed)
    fleet.settle()
    return followed


def happened(fleet: Fleet, event: Event, *, followed: bool) -> None:
    """Take in an event that says something of series, but for alerts."""
    if isinstance(event, DataQualityIncident):
        for number in fleet.of(event.asset, event.channel):
            fleet.incident(number, event.kind, opened=event.state == "open")
    elif isinstance(event, DriftDetected | DriftReferenced):
        kind = event.kind if isinstance(event, DriftDetected) else ""
        for number in fleet.of(event.asset, event.channel) if kind != _NEW_ASSET else ():
            fleet.drift(number, kind)
    elif isinstance(event, AnomalyDetected | AnomalyCleared) and not followed:
        if isinstance(event, AnomalyDetected):
            fleet.troubles.found(event)
        else:
            fleet.troubles.cleared(event)
        fleet.trouble(event.asset)


async def _alerts(fleet: Fleet, bus: Bus, settings: Settings) -> bool:
    try:
        state = await present(bus, settings)
    except NotFound:
        return False
    for identity in list(state.alerts):
        fleet.troubles.alert(state.alert(identity))
    return True


async def _saved(fleet: Fleet, bus: Bus, settings: Settings, partition: int) -> Mapping[str, int]:
    """What validation saved of a partition; returns how far its output streams had come then."""
    ends: dict[str, int] = {}
    for name, agent in settings.agents.items():
        if agent.enabled and (agent.kind or name) == "validation":
            for snapshot in await bus.snapshots(partition, f"{name}<{ReadingsAcquired.stream}"):
                try:
                    known = await to_thread.run_sync(_restored, snapshot.data)
                except CorruptEvent:
                    continue
                for at in range(0, len(known), _STEP):
                    _take(fleet, known[at : at + _STEP])
                    await anyio.lowlevel.checkpoint()
                ends |= {stream: end for stream, end in snapshot.ends.items() if end < ends.get(stream, end + 1)}
                break
    return ends


#: Name, time and value of the last reading, and kinds of incidents that are open.
_Known = tuple[str, int, float, tuple[str, ...]]


def _restored(data: bytes) -> list[_Known]:
    from agents.state import restore
    from agents.validation.state import ValidationState
    from agents.validation.table import NONE

    state = restore(ValidationState(), data)
    table, count = state.table, len(state.series)
    newest, values = table.newest[:count].tolist(), table.value[:count].tolist()
    known: list[_Known] = [
        (name, NEVER if time == NONE else time, value, ())
        for name, time, value in zip(state.series, newest, values, strict=True)
    ]
    for kind in ("stale", "stuck", "rejections"):
        for row in np.flatnonzero(getattr(table, kind)[:count] != NONE).tolist():
            name, time, value, kinds = known[row]
            known[row] = name, time, value, (*kinds, kind)
    return known


def _take(fleet: Fleet, known: Sequence[_Known]) -> None:
    for name, time, value, kinds in known:
        asset, _, channel = name.partition("/")
        number = fleet.known(asset, channel, time, value)
        for kind in kinds:
            fleet.incident(number, kind, opened=True)


async def _readings(fleet: Fleet, bus: Bus, place: Place, ends: Mapping[str, int]) -> None:
    """The last readings, the latest first."""
    end = (await bus.ends([place]))[place]
    first = min(ends.get(place.stream, 0), end) + 1
    first, last, step, looked = max(first, end - _READINGS + 1), end, _STEP, 0
    while last >= first and looked < _ENTRIES:
        begin = max(first, last - step + 1)
        entries = await bus.range(place, begin, last, count=step)
        if not entries:
            return
        for event in decode_all(entries):
            if isinstance(event, ReadingsAccepted):
                fleet.remember(fleet.rows(event.readings.series)[event.readings.code], event.readings)
        # An entry that begins before is read whole.
        looked, last = looked + len(entries), min(begin, entries[0].first) - 1
        step = _STEP if len(entries) > _STEP // 20 else 10 * _STEP
        await anyio.lowlevel.checkpoint()


async def _events(bus: Bus, place: Place, ends: Mapping[str, int]) -> AsyncIterator[Event]:
    """The last events of a place, in their order."""
    end = (await bus.ends([place]))[place]
    first = max(min(ends.get(place.stream, 0), end), end - _EVENTS) + 1
    while first <= end:
        entries: list[Entry] = await bus.range(place, first, end, count=64)
        if not entries:
            return
        for event in decode_all(entries):
            if not isinstance(event, Unread | ReadingsEvent):
                yield event
        first = entries[-1].last + 1
