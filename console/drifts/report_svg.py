"""The drawings of a report on drift: SVG that takes its colours from the page."""

from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 720, 160
_EDGE = 4


def curve(row: dict[str, Any], marks: Sequence[tuple[int, str, str]], times: Sequence[int]) -> str:
    """The range of values in each step of time, with marks: (ns, class, text). ``times``: of the steps, ns."""
    low, high = row["curve"]["low"], row["curve"]["high"]
    if not times:
        return ""
    first, last = times[0], max(times[-1], times[0] + 1)
    least, most = float(min(low)), float(max(high))
    span = (most - least) or 1.0

    def x(time: int) -> float:
        return _place((min(max(time, first), last) - first) / (last - first), WIDTH)

    def y(value: float) -> float:
        return _place((most - value) / span, HEIGHT)

    above = [f"{x(time):.1f},{y(value):.1f}" for time, value in zip(times, high, strict=True)]
    below = [f"{x(time):.1f},{y(value):.1f}" for time, value in zip(times, low, strict=True)]
    parts = [f'<polygon class="curve" points="{" ".join([*above, *reversed(below)])}"/>']
    for time, kind, text in marks:
        at = f"{x(time):.1f}"
        line = f'<line class="{kind}" x1="{at}" x2="{at}" y1="0" y2="{HEIGHT}">'
        parts.append(f"{line}<title>{escape(text)}</title></line>")
    return _svg("Values over time", parts, _range(least, most), (_second(row, 0), _second(row, -1)))


def distributions(row: dict[str, Any]) -> str:
    """Share of readings up to each value, of reference and present, over one another."""
    found = row["quantiles"]
    both = [value for name in ("reference", "present") for value in found[name]]
    if not found["reference"] or not found["present"]:
        return ""
    least, most = min(both), max(both)
    span = (most - least) or 1.0
    parts = []
    for name in ("reference", "present"):
        points = [
            f"{_place((value - least) / span, WIDTH):.1f},{_place(1 - level, HEIGHT):.1f}"
            for value, level in zip(found[name], found["levels"], strict=True)
        ]
        parts.append(f'<polyline class="{name}" points="{" ".join(points)}"/>')
    return _svg("Share of readings up to a value", parts, ("share 0", "1"), (f"{least:.6g}", f"{most:.6g}"))


def _second(row: dict[str, Any], step: int) -> str:
    """When a step is: nobody reads milliseconds on an axis."""
    return str(row["curve"]["times"][step]).partition(".")[0].removesuffix("Z") + "Z"


def _place(share: float, size: int) -> float:
    return _EDGE + (size - 2 * _EDGE) * share


def _range(least: float, most: float) -> tuple[str, str]:
    return f"values {least:.6g}", f"{most:.6g}"


def _svg(label: str, parts: Sequence[str], heights: tuple[str, str], ends: tuple[str, str]) -> str:
    """The drawing is stretched to whatever room there is; words stand outside of it, so that they stay readable."""
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
    words = f"<span>{escape(ends[0])}</span><span>{escape(heights[0])} to {escape(heights[1])}</span>"
    below = f"<figcaption>{words}<span>{escape(ends[1])}</span></figcaption>"
    return "".join(["<figure>", head, *parts, "</svg>", below, "</figure>"])
