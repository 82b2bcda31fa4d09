"""A picture of one file of a backtest, as SVG: curves, scores and threshold, what was alarmed and what is labelled."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from contracts.instants import iso

from .backtesting import FOREVER, Found
from .measures import Windows

WIDTH, LEFT, TOP = 1200, 150, 48
CURVE, SCORE, STRIP, GAP = 180, 90, 12, 8
_MOST_CURVES = 12
_FONT = 'font-family="sans-serif" font-size="12"'
GREEN, RED, BLUE, ORANGE = "#2a2", "#d22", "#26c", "#e80"
LEGEND = (
    (GREEN, "labelled (line: change)"),
    (RED, "alarm"),
    (BLUE, "change of level told"),
    (ORANGE, "share of a channel in the alarm"),
)
Array = NDArray[np.float64]


def picture(
    title: str, found: Found, windows: Windows | None, threshold: float, true_changes: Sequence[int] = ()
) -> str:
    """Curves with their extremes, scores with the threshold, and strips of what is labelled and what was alarmed.

    threshold: of the scores that are shown; true_changes: times of labelled changes, ns. Of several channels, a bar
    below each curve says how much the channel has to do with the alarm at that time.
    """
    if not found.times:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="40">{_text(10, 25, title)}</svg>\n'
    first, last = min(found.times.values()), max(found.times.values())
    place = Axis(first, max(last, first + 1))
    panels: list[str] = []
    y = TOP
    shown = list(found.values)[:_MOST_CURVES]
    height = CURVE if len(shown) == 1 else max(400 // len(shown), 50)
    for channel in shown:
        panels += _curve(found, channel, place, y, height)
        panels += _share(found, channel, place, y + height, threshold)
        y += height + GAP
    if found.scores or found.rows:
        panels += _scores(found, place, y, threshold)
        y += SCORE + GAP
    for name, spans, colour in (("labelled", windows, GREEN), ("alarm", found.alarms, RED)):
        if spans is not None:
            panels += [_text(10, y + STRIP, name), *_bands(spans, place, colour, y, STRIP, opacity=0.9)]
            y += STRIP + GAP
    behind = [*_bands(windows or (), place, GREEN, TOP, y - TOP - GAP), *_alarms(found, place, y - TOP - GAP)]
    marks = [_line(place(time), TOP, place(time), y - GAP, BLUE, 1) for time in found.changes]
    marks += [_line(place(time), TOP, place(time), y - GAP, GREEN, 1, dashes="4 3") for time in true_changes]
    ends = [_text(LEFT, y + 8, iso(first)), _text(WIDTH - 10, y + 8, iso(last), anchor="end")]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 16}">'
    ground = f'<rect width="{WIDTH}" height="{y + 16}" fill="#fff"/>'
    return "\n".join([head, ground, *behind, *panels, *marks, *ends, *_legend(title), "</svg>", ""])


class Axis:
    """Where an instant stands on the picture."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def __call__(self, time: int) -> float:
        inside = min(max(time, self.first), self.last)
        return LEFT + (WIDTH - LEFT - 10) * (inside - self.first) / (self.last - self.first)


def _curve(found: Found, channel: str, place: Axis, y: float, height: float) -> Iterator[str]:
    positions, values = found.values[channel]
    x = np.array([place(found.times[number]) for number in positions.tolist()])
    low, high = float(values.min()), float(values.max())
    span = high - low or 1.0
    x, level = _thinned(x, (values - low) / span)
    points = " ".join(f"{a:.1f},{y + height * (1 - b):.1f}" for a, b in zip(x.tolist(), level.tolist(), strict=True))
    yield f'<polyline points="{points}" fill="none" stroke="#333" stroke-width="1"/>'
    yield _text(10, y + 14, channel)
    yield _text(10, y + 30, f"{low:.4g} to {high:.4g}")


def _thinned(x: Array, level: Array) -> tuple[Array, Array]:
    """The lowest and the highest point of each column of pixels: a spike must not get lost."""
    if len(x) <= 2 * WIDTH:
        return x, level
    columns = np.floor(x).astype(int)
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    least, most = np.minimum.reduceat(level, starts), np.maximum.reduceat(level, starts)
    return np.repeat(x[starts], 2), np.stack((least, most), axis=1).ravel()


def _share(found: Found, channel: str, place: Axis, bottom: float, threshold: float) -> Iterator[str]:
    """How much a channel has to do with the alarm at each row: the fuller the colour, the more, in tenths."""
    told = [(row.time, round(10 * row.shares.get(channel, 0.0)) * (row.score >= threshold)) for row in found.rows]
    begins = [n for n, (_, tenths) in enumerate(told) if n == 0 or tenths != told[n - 1][1]]
    for begin, end in pairwise([*begins, len(told)]):
        since, tenths = told[begin]
        until = told[end][0] if end < len(told) else FOREVER
        yield from _bands([(since, until)] if tenths else (), place, ORANGE, bottom - 4, 6, opacity=tenths / 10)


def _scores(found: Found, place: Axis, y: float, threshold: float) -> Iterator[str]:
    for time, value in _scored(found):
        if value > 0:
            colour = RED if value >= threshold else "#999"
            yield _line(place(time), y + SCORE, place(time), y + SCORE * (1 - value), colour, 1)
    level = y + SCORE * (1 - threshold)
    yield _line(LEFT, level, WIDTH - 10, level, RED, 0.5)
    yield _text(10, y + 14, "score, 0 to 1")
    yield _text(10, y + 30, f"threshold {threshold:.3f}")


def _scored(found: Found) -> Iterable[tuple[int, float]]:
    """Times and scores: of rows where rows are judged, else of readings; of a column of pixels the largest."""
    if found.rows:
        pairs: Iterable[tuple[int, float]] = ((row.time, row.score) for row in found.rows)
    else:
        pairs = (
            (found.times[number], value)
            for positions, values in found.scores.values()
            for number, value in zip(positions.tolist(), values.tolist(), strict=True)
            if number in found.times
        )
    first, last = min(found.times.values()), max(found.times.values())
    largest: dict[int, tuple[int, float]] = {}
    for time, value in pairs:
        column = 2 * WIDTH * (time - first) // max(last - first, 1)
        if column not in largest or value > largest[column][1]:
            largest[column] = time, value
    return largest.values()


def _alarms(found: Found, place: Axis, height: float) -> Iterator[str]:
    """A band for each alarm, which says when it began and why where one points at it."""
    for begin, end in found.alarms:
        why = f"{iso(begin)}: {found.reasons.get(begin, '')}"
        yield from _bands([(begin, end)], place, RED, TOP, height, title=why)


def _bands(
    spans: Windows, place: Axis, colour: str, y: float, height: float, *, opacity: float = 0.18, title: str = ""
) -> Iterator[str]:
    inside = f"<title>{escape(title)}</title>" if title else ""
    for begin, end in spans:
        x = place(begin)
        width = max(place(end) - x, 1.0)
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour}" fill-opacity="{opacity:g}">{inside}</rect>'
        )


def _legend(title: str) -> Iterator[str]:
    yield _text(10, 18, title)
    x = LEFT
    for colour, words in LEGEND:
        yield f'<rect x="{x}" y="28" width="12" height="10" fill="{colour}" fill-opacity="0.6"/>'
        yield _text(x + 16, 37, words)
        x += 40 + 7 * len(words)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dashes: str = "") -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {_FONT}>{escape(text)}</text>'
