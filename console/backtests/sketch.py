"""A picture of one file of a backtest, as SVG: curves, scores and threshold, what was alarmed and what is labelled."""

from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from .backtesting import Found
from .measures import Windows

WIDTH, LEFT, TOP = 1200, 150, 30
CURVE, SCORE, GAP = 180, 90, 8
_MOST_CURVES = 12
_FONT = 'font-family="sans-serif" font-size="12"'
Array = NDArray[np.float64]


def picture(title: str, found: Found, windows: Windows | None, threshold: float) -> str:
    """Labelled windows are green, anomalies red, changes of level blue; curves keep their extremes."""
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
        y += height + GAP
    if not found.several and found.scores:
        panels += _scores(found, place, y, threshold)
        y += SCORE + GAP
    behind = [*_bands(windows or (), place, "#2a2", y), *_bands(found.alarms, place, "#d22", y)]
    marks = [_line(place(time), TOP, place(time), y - GAP, "#26c", 1) for time in found.changes]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 6}">'
    ground = f'<rect width="{WIDTH}" height="{y + 6}" fill="#fff"/>'
    return "\n".join([head, ground, *behind, *panels, *marks, _text(10, 20, title), "</svg>", ""])


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


def _scores(found: Found, place: Axis, y: float, threshold: float) -> Iterator[str]:
    for positions, values in found.scores.values():
        for number, value in zip(positions.tolist(), values.tolist(), strict=True):
            if value > 0 and number in found.times:
                x = place(found.times[number])
                colour = "#d22" if value >= threshold else "#999"
                yield _line(x, y + SCORE, x, y + SCORE * (1 - value), colour, 1)
    yield _line(LEFT, y + SCORE * (1 - threshold), WIDTH - 10, y + SCORE * (1 - threshold), "#d22", 0.5)
    yield _text(10, y + 14, "score")
    yield _text(10, y + 30, f"threshold {threshold:.3f}")


def _bands(spans: Windows, place: Axis, colour: str, bottom: float) -> Iterator[str]:
    for begin, end in spans:
        x = place(begin)
        width = max(place(end) - x, 1.0)
        yield (
            f'<rect x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{bottom - TOP - GAP:.1f}" '
            f'fill="{colour}" fill-opacity="0.18"/>'
        )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {_FONT}>{escape(text)}</text>'
