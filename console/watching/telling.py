"""A fleet as plain data: columns of the series that are asked for, and what changed since it was last told."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .fleet import STATES, Fleet, incidents_of, millis

SEVERITIES = ("info", "warning", "critical")
_MOST_MOVED, _MOST_TOLD = 10_000, 5_000
_DIGITS = 6

Numbers = NDArray[np.intp]


class Wanted(NamedTuple):
    """Which series: of these states, with an alert as bad as ``least``, with ``text`` in the name (any case)."""

    states: frozenset[str] = frozenset()
    least: str = ""
    text: str = ""

    def among(self, fleet: Fleet) -> Numbers:
        """The numbers of those that fit, in order."""
        columns, count = fleet.columns, len(fleet)
        fits = np.ones(count, np.bool_)
        if self.states:
            codes = [STATES.index(state) for state in self.states]
            fits &= np.isin(columns.state[:count], codes)
        if self.least:
            fits &= columns.severity[:count] >= SEVERITIES.index(self.least)
        numbers = np.flatnonzero(fits)
        if self.text:
            text, names = self.text.casefold(), fleet.names
            kept = [number for number in numbers.tolist() if text in names[number].casefold()]
            numbers = np.array(kept, np.intp)
        return numbers


def columns_of(fleet: Fleet, numbers: Numbers) -> dict[str, list[Any]]:
    """Everything that is known of some series, a list per property."""
    return {**_facts(fleet, numbers), **_moved(fleet, numbers)}


def news(fleet: Fleet, begin: int) -> tuple[dict[str, Any], int]:
    """What changed since the last call, from the series ``begin`` on; and where to begin next time.

    ``facts`` are of series that are new or in another state, ``moved`` of those with readings; both as columns.
    """
    columns, count = fleet.columns, len(fleet)
    told = np.flatnonzero(~columns.told[:count])[:_MOST_TOLD]
    moved = np.flatnonzero(columns.changed[:count])
    if len(moved) > _MOST_MOVED:
        # Where more change than can be told, all get their turn.
        moved = np.roll(moved, -int(np.searchsorted(moved, begin)))[:_MOST_MOVED]
        begin = int(moved[-1]) + 1
    found: dict[str, Any] = {}
    if len(told):
        found["facts"] = _facts(fleet, told)
    if len(moved):
        found["moved"] = _moved(fleet, moved)
    columns.told[told], columns.changed[moved] = True, False
    return found, begin


def _facts(fleet: Fleet, numbers: Numbers) -> dict[str, list[Any]]:
    columns, chosen = fleet.columns, numbers.tolist()
    return {
        "number": chosen,
        "asset": [fleet.assets[number] for number in chosen],
        "channel": [fleet.channels[number] for number in chosen],
        "state": [STATES[code] for code in columns.state[numbers].tolist()],
        "alerts": columns.alerts[numbers].tolist(),
        "severity": ["" if code < 0 else SEVERITIES[code] for code in columns.severity[numbers].tolist()],
        "drift": [fleet.drifts.get(number, "") for number in chosen],
        "data": [incidents_of(bits) if bits else "" for bits in columns.incidents[numbers].tolist()],
    }


def _moved(fleet: Fleet, numbers: Numbers) -> dict[str, list[Any]]:
    columns = fleet.columns
    accepted, rejected = fleet.per_minute(numbers)
    return {
        "number": numbers.tolist(),
        "time": millis(columns.time[numbers]),
        "value": rounded(columns.value[numbers]),
        "arrived": millis(columns.arrived[numbers]),
        "per_min": accepted.tolist(),
        "rejected": rejected.tolist(),
    }


def rounded(values: NDArray[np.float64]) -> list[float | None]:
    """To six significant digits: what a table shows. None for what is no number."""
    finite = np.isfinite(values)
    size = np.where(finite & (values != 0), np.abs(values), 1.0)
    shift = _DIGITS - 1 - np.floor(np.log10(size))
    # Beyond this a power of ten is no double any more.
    shift = np.clip(shift, -300, 300)
    with np.errstate(invalid="ignore", over="ignore"):
        found = np.where(
            shift >= 0, np.round(values * 10**shift) / 10**shift, np.round(values / 10**-shift) * 10**-shift
        )
    good = finite & np.isfinite(found)
    listed: list[float] = found.tolist()
    return [each if fine else None for each, fine in zip(listed, good.tolist(), strict=True)]
