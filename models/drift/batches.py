"""Cuts a batch into panels (series x time) that the test can take in one step."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..order import order_of
from .bets import book
from .diagnose import explain
from .panel import step
from .state import State
from .words import F64, I64, Alarms, Finding, collect

MOST_STEPS = 128  # a panel's ranks cost t^2 per series
MOST_READINGS = 4_096  # their evidence stays in the processor's cache


def run(state: State, rows: I64, times: I64, values: F64, epoch: int) -> Alarms:
    """Feed readings in order of arrival; see ``DriftTest.update_batch``."""
    rows, times, values = (
        np.asarray(rows, np.int64),
        np.asarray(times, np.int64),
        np.asarray(values, np.float64),
    )
    if not rows.shape == times.shape == values.shape or rows.ndim != 1:
        raise ValueError(f"rows, times and values differ in shape: {rows.shape}, {times.shape}, {values.shape}")
    if len(rows) == 0:
        return collect([])
    if rows.min() < 0 or rows.max() >= state.rows or not state.adopted[rows].all():
        raise ValueError("a reading of a series that was never adopted")
    findings: list[Finding] = []
    for series, places in _panels(state, rows, epoch):
        for hit in step(state, series, times[places], values[places], book(), epoch):
            finding = explain(state, hit, book())
            place = int(places[int(np.flatnonzero(series == hit.row)[0]), hit.at])
            findings.append(replace(finding, at=place))
    return collect(findings)


def _panels(state: State, rows: I64, epoch: int) -> Iterator[tuple[I64, I64]]:
    """(distinct series int64[k], places in the batch int64[k, t]), each series' readings in order."""
    if bool((rows[1:] > rows[:-1]).all()):  # one reading of each series, in order
        yield rows, np.arange(len(rows))[:, None]
        return
    order = order_of(rows)
    ordered = rows[order]
    start = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    series, count = ordered[start], np.diff(np.append(start, len(rows)))
    done = np.zeros(len(series), np.int64)
    while len(series):
        left = count - done
        room = np.where(state.latched[series], MOST_STEPS, epoch - state.epoch[series])
        t = int(min(left.min(), room.min(), MOST_STEPS, max(1, MOST_READINGS // len(series))))
        yield series, order[(start + done)[:, None] + np.arange(t)]
        done += t
        more = done < count
        if not more.all():
            series, start, count, done = series[more], start[more], count[more], done[more]
