"""Which series each row of a batch belongs to, and which new series there are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Readings, Verdict

from .incidents import Found
from .limits import Admission
from .state import ValidationState

#: Instead of a number: what was read is not known to be of this series, the series is not in the rules, or is one
#: too many.
NOWHERE, UNKNOWN, CROWDED = -1, -2, -3
#: Rows with these verdicts name no series that can be relied on.
_UNPLACED = np.zeros(256, bool)
_UNPLACED[
    [
        Verdict.MALFORMED_ROW,
        Verdict.BAD_NAME,
        Verdict.TOO_LONG,
        Verdict.BAD_ENCODING,
        Verdict.TOO_MANY_SERIES,
    ]
] = True


class Places(NamedTuple):
    """Per row the number of its series or one of the above, and the incident that a new series may be."""

    number: NDArray[np.int64]
    found: list[Found]


def place(readings: Readings, state: ValidationState, admission: Admission) -> Places:
    """Find the series of every row; new ones get the next numbers, in order of their first rows."""
    known = state.derived.numbers
    unplaced = _UNPLACED[readings.verdict] if readings.verdict.any() else None
    found: list[Found] = []
    table = state.derived.tables.get(readings.series)
    if table is None:
        table = np.array([known.get(series, NOWHERE) for series in readings.series], np.int64)
        if (table == NOWHERE).any():
            found = _meet(readings, state, admission, table, unplaced)
        else:
            state.derived.tables.put(readings.series, table)
    number = table[readings.code]
    if unplaced is not None:
        number[unplaced] = NOWHERE
    return Places(number, found)


def _meet(
    readings: Readings,
    state: ValidationState,
    admission: Admission,
    table: NDArray[np.int64],
    unplaced: NDArray[np.bool_] | None,
) -> list[Found]:
    """Decide about series that are not known, in order of their first rows; fill ``table``."""
    met = table[readings.code] == NOWHERE
    if unplaced is not None:
        met &= ~unplaced
    rows = np.flatnonzero(met)
    codes, first = np.unique(readings.code[rows], return_index=True)
    found: list[Found] = []
    for place in np.argsort(first, kind="stable").tolist():
        code, row = int(codes[place]), int(rows[first[place]])
        series = readings.series[code]
        if series.name not in state.series:
            if not admission.admits(series.name):
                table[code] = UNKNOWN
                continue
            if len(state.series) >= admission.max_series:
                table[code] = CROWDED
                if not state.crowded:
                    state.crowded = True
                    at = int(readings.time[row])
                    detail = f"{series.name} is one series too many: the limit is {admission.max_series:,}"
                    found.append(Found(row, "series limit", "open", -1, at, at, detail, 1))
                continue
        table[code] = state.register(series)
        _know(state, readings, code)
    state.ready(admission.limits)
    return found


def _know(state: ValidationState, readings: Readings, code: int) -> None:
    """Remember the number for the next batch; sources come and go, so what is remembered has an end."""
    known = state.derived.numbers
    if len(known) > 2 * len(state.series) + 1000:
        known.clear()
    series = readings.series[code]
    known[series] = state.series[series.name]
