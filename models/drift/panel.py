"""One step of the test: t readings each of k distinct series, alarms out, state moved on.

Evidence against "nothing changed" is a Shiryaev-Roberts statistic per bet, R <- (1 + R) g(U), and their
weighted mean. While nothing changes, mean - t is a martingale, so a series alarms less than once in
``limit`` readings on average, however long it runs and however often one looks (Shiryaev, 1963; Roberts,
1966; Shin, Ramdas & Rinaldo, "E-detectors", NEJSDS 2023). The ranks U are independent and uniform as long
as residuals are exchangeable with the reference, because each is taken among the reference *and* the epoch
so far; at the end of an epoch both start afresh.

Nothing here depends on how a stream was cut into panels: sums run in a fixed order, counts are integers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import faults
from .bets import BETS, LEVELS, Book
from .knots import BLOCK
from .ranking import Ranks, rank
from .reference import STATES
from .residuals import Residuals, residuals
from .state import PAST, RECENT, State, forget
from .words import F64, I64, Bools, Rows

TESTED = 27  # columns of evidence that come from ranks; the faults' follow
MISSING_SHARE, REPEAT_SHARE = 1 / 50, 1 / 100  # of the tolerated alarms


@dataclass(frozen=True)
class Hit:
    """An alarm before it is explained: series ``row`` at step ``at``; ``fault`` is "" for drift.
    ``recent``: the last raw readings, ``past``: the last ranks' cells, oldest first; ``evidence``:
    float64[BETS].
    """

    row: int
    at: int
    fault: str
    seen: int
    run: int
    recent: F64
    past: I64
    evidence: F64


def step(state: State, numbers: I64, times: I64, values: F64, book: Book, epoch: int) -> list[Hit]:
    """Read ``values`` (float64[k, t]) of the distinct series ``numbers``.

    No series may reach the end of its epoch before step t.
    """
    rows = Rows.of(numbers)
    values = np.where(np.isfinite(values), values, np.nan)
    found = residuals(state, rows, times, values)
    # What could not be predicted may look like a leap.
    signs = faults.signs(state, rows, values, np.where(found.cold, np.nan, found.value))
    hits = _test(state, rows, values, found, signs, book)
    _remember(state, rows, times, values, found, signs)
    _close(state, rows, epoch)
    return hits


def _test(state: State, rows: Rows, values: F64, found: Residuals, signs: faults.Signs, book: Book) -> list[Hit]:
    live = ~state.latched[rows.at]
    ranks = rank(state, rows, found, live, book)
    gains = ranks.gains
    gains[:, :, 27:29] = signs.missing_gain
    gains[:, :, 29:31] = signs.repeat_gain
    trace = _run(state.evidence[rows.at], gains, ranks.tested)
    alarm = signs.stuck | signs.jump
    # Weights add up to 1 at most: where no bet comes near the limit, their mean does not either.
    near = np.flatnonzero(live & ~(trace.reshape(len(trace), -1).max(axis=1) < 0.99 * state.limit[rows.at]))
    if len(near):
        some, limit = trace[near], state.limit[rows.number[near]][:, None]
        over = _total(some, state.weights[rows.number[near]][:, None]) * (1 - MISSING_SHARE - REPEAT_SHARE) >= limit
        alarm[near] |= over | _missing(some, limit) | _repeat(some, limit)
    alarm &= live[:, None]
    t = values.shape[1]
    stop = np.where(alarm.any(axis=1), alarm.argmax(axis=1), t - 1)
    hits = [
        _hit(state, int(rows.number[i]), int(i), int(stop[i]), _Seen(values, ranks, signs, trace))
        for i in np.flatnonzero(alarm.any(axis=1))
    ]
    _count(state, rows, found, ranks, stop)
    end = np.arange(len(rows)), stop
    level = np.where(ranks.tested[end], book.level_of_cell.take(ranks.cells[end]), LEVELS)
    state.last_level[rows.at] = np.where(live, level, state.last_level[rows.at])
    state.evidence[rows.at] = np.where(live[:, None], trace[end], state.evidence[rows.at])
    for hit in hits:
        state.latched[hit.row] = True
    return hits


def _missing(trace: F64, limit: F64) -> Bools:
    out: Bools = (0.7 * trace[:, :, 27] + 0.3 * trace[:, :, 28]) * MISSING_SHARE >= limit
    return out


def _repeat(trace: F64, limit: F64) -> Bools:
    out: Bools = (0.5 * trace[:, :, 29] + 0.5 * trace[:, :, 30]) * REPEAT_SHARE >= limit
    return out


def _run(evidence: F64, gains: F64, tested: Bools) -> F64:
    """R <- (1 + R) g, step by step; where no rank was taken, only the faults' evidence moves."""
    trace = np.empty(gains.shape)
    for j in range(gains.shape[1]):
        now = trace[:, j]
        np.add(evidence, 1.0, out=now)
        with np.errstate(over="ignore"):  # only after an alarm, where nothing is read any more
            now *= gains[:, j]
        if not tested[:, j].all():
            off = ~tested[:, j]
            now[off, :TESTED] = evidence[off, :TESTED]
        evidence = now
    return trace


def _total(trace: F64, weights: F64) -> F64:
    """Weighted sum over bets, folded in a fixed order (a library's sum may order by memory layout)."""
    with np.errstate(invalid="ignore"):  # the faults' weights are 0; they may overflow after an alarm
        padded = trace * weights
    width = BETS
    while width > 1:
        width //= 2
        padded = padded[:, :, :width] + padded[:, :, width:]
    out: F64 = padded[:, :, 0]
    return out


@dataclass(frozen=True)
class _Seen:
    values: F64
    ranks: Ranks
    signs: faults.Signs
    trace: F64


def _hit(state: State, row: int, i: int, at: int, seen: _Seen) -> Hit:
    fault = "stuck" if seen.signs.stuck[i, at] else "jump" if seen.signs.jump[i, at] else ""
    limit, now = state.limit[row : row + 1, None], seen.trace[i : i + 1, at : at + 1]
    if not fault and _missing(now, limit)[0, 0]:
        fault = "missing"
    if not fault and _repeat(now, limit)[0, 0]:
        fault = "repeat"
    raw = np.concatenate([_ordered(state.recent[row], int(state.seen[row])), seen.values[i, : at + 1]])[-RECENT:]
    mine = seen.ranks.known[i, : at + 1][seen.ranks.tested[i, : at + 1]]
    past = np.concatenate([_ordered(state.past[row], int(state.tested[row])).astype(np.int64), mine])
    count, same = int(state.seen[row]) + at + 1, int(seen.signs.run[i, at])
    return Hit(row, at, fault, count, same, raw, past[-PAST:], seen.trace[i, at].copy())


def _ordered(ring: NDArray[Any], written: int) -> NDArray[Any]:
    """A ring buffer's content, oldest first, without what was never written."""
    return ring[:written] if written < len(ring) else np.roll(ring, -(written % len(ring)))


def _count(state: State, rows: Rows, found: Residuals, ranks: Ranks, stop: I64) -> None:
    """Take the readings up to ``stop`` into the epoch."""
    t = ranks.tested.shape[1]
    keep = ranks.tested & (np.arange(t) <= stop[:, None])
    i, j = np.nonzero(keep)
    owner, cls = rows.number[i], ranks.classes[i, j]
    if t == 1:
        state.fine.reshape(-1)[owner * state.fine.shape[1] + cls] += np.uint16(1)
        state.coarse.reshape(-1)[owner * state.coarse.shape[1] + cls // BLOCK] += np.uint16(1)
        state.tally.reshape(-1, 3)[owner * STATES + found.state[i, j]] += ranks.tally[i, j]
    else:
        # Along one axis: numpy is several times as fast there.
        np.add.at(state.fine.reshape(-1), owner * state.fine.shape[1] + cls, np.uint16(1))
        np.add.at(state.coarse.reshape(-1), owner * state.coarse.shape[1] + cls // BLOCK, np.uint16(1))
        place, tally = (owner * STATES + found.state[i, j]) * 3, ranks.tally[i, j]
        for k in range(3):
            np.add.at(state.tally.reshape(-1), place + k, tally[:, k])
    ahead = np.cumsum(keep, axis=1)[i, j] - 1
    state.past[owner, (state.tested[owner] + ahead) % PAST] = ranks.known[i, j]
    state.tested[rows.at] += keep.sum(axis=1)
    state.epoch[rows.at] += keep.sum(axis=1)


def _remember(state: State, rows: Rows, times: I64, values: F64, found: Residuals, signs: faults.Signs) -> None:
    """What the next readings need, whether or not the series is being tested."""
    t = values.shape[1]
    state.history[rows.at], state.h[rows.at] = found.history, found.h
    tail = values[:, -RECENT:]
    place = state.seen[rows.at][:, None] + np.arange(t - tail.shape[1], t)
    state.recent[rows.number[:, None], place % RECENT] = tail
    state.near[rows.at] = signs.near
    state.seen[rows.at] += t
    state.warm[rows.at], state.last_time[rows.at] = found.warm, times[:, -1]
    state.run[rows.at], state.flags[rows.at] = signs.run[:, -1], signs.flags
    state.was_missing[rows.at] = np.isnan(values[:, -1])


def _close(state: State, rows: Rows, epoch: int) -> None:
    for row in rows.number[state.epoch[rows.at] >= epoch]:
        latched = bool(state.latched[row])
        forget(state, int(row))
        state.latched[row] = latched
