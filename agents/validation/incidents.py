"""Incidents as they are found, and as events."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from contracts.events import DataQualityIncident
from contracts.instants import SECOND
from contracts.readings import Readings

Kind = Literal["gap", "stale", "stuck", "rejections", "series limit"]
State = Literal["open", "closed"]
_RANK: dict[str, int] = {"series limit": 0, "stale": 1, "gap": 2, "stuck": 3, "rejections": 4}


class Found(NamedTuple):
    """An incident that begins or ends with a row of the batch; ``series`` is a number, -1 for none."""

    row: int
    kind: Kind
    state: State
    series: int
    time: int
    since: int
    detail: str
    concerned: int = 0


def as_events(found: Iterable[Found], names: Sequence[str], readings: Readings) -> Iterator[DataQualityIncident]:
    """The incidents in the order of the readings that they follow from, however these were cut into batches."""
    for each in sorted(found, key=_place):
        yield as_event(each, names, readings.id_of(each.row), readings.series[readings.code[each.row]].asset)


def as_event(found: Found, names: Sequence[str], cause: str, asset: str = "") -> DataQualityIncident:
    """One incident as an event; ``asset`` stands for an incident that is not about a series."""
    channel = ""
    if found.series >= 0:
        asset, _, channel = names[found.series].partition("/")
    return DataQualityIncident.of(
        cause=cause,
        time=found.time,
        asset=asset,
        channel=channel,
        discriminator=f"{found.kind} {found.state}",
        kind=found.kind,
        state=found.state,
        detail=found.detail,
        since=found.since,
        count=found.concerned,
    )


def _place(found: Found) -> tuple[int, int, int, bool]:
    return found.row, _RANK[found.kind], found.series, found.state == "closed"


def span(nanoseconds: int) -> str:
    """``2 h 5 min``: a length of time as people say it, its two largest parts."""
    if nanoseconds < 120 * SECOND:
        return f"{nanoseconds / SECOND:.3g} s"
    hours, minutes = divmod(nanoseconds // (60 * SECOND), 60)
    if hours < 2:
        return f"{60 * hours + minutes} min"
    whole, unit, part, smaller = (hours, "h", minutes, "min")
    if hours >= 48:
        whole, unit, part, smaller = (hours // 24, "d", hours % 24, "h")
    return f"{whole} {unit} {part} {smaller}" if part else f"{whole} {unit}"
