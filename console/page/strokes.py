"""Small drawings of the page as numbers: where lines and bars of a curve, a score and of shares stand."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from contracts.instants import from_iso

#: Of a curve, in pixels of the drawing, which the page scales.
WIDTH, HEIGHT, EDGE = 720, 180, 6


def curve(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """A curve as the points of a line, with the place of the finding; None where there is none to draw."""
    points = [(from_iso(time), value) for time, value in (found or {}).get("points", ()) if isfinite(value)]
    if found is None or not points:
        return None
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)
    low, high = min(value for _, value in points), max(value for _, value in points)
    # Halves: the whole range may be more than a float can hold.
    span = high / 2 - low / 2

    def x(time: int) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (min(max(time, first), last) - first) / (last - first)

    def y(value: float) -> float:
        return EDGE + (HEIGHT - 2 * EDGE) * ((high / 2 - value / 2) / span if span else 0.5)

    line = " ".join(f"{x(time):.1f},{y(value):.1f}" for time, value in points)
    ends = {"first": found["points"][0][0], "last": found["points"][-1][0]}
    return {"series": found["series"], "line": line, "at": x(from_iso(found["at"])), "when": found["at"],
            "low": low, "high": high, "width": WIDTH, "height": HEIGHT, **ends}  # fmt: skip


def score(why: dict[str, Any]) -> dict[str, Any] | None:
    """A score between 0 and 1 beside its threshold, in percent of the width; None where there is none."""
    found, limit = why.get("score"), why.get("threshold")
    if not isinstance(found, float) or not isinstance(limit, float) or not (isfinite(found) and isfinite(limit)):
        return None
    return {"score": found, "threshold": limit, "wide": 100 * min(found, 1.0), "at": 100 * min(max(limit, 0), 1)}


def bars(shares: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """Shares with the width of their bars in percent, the largest over the whole of it."""
    known = [(name, share) for name, share in shares if isfinite(share)]
    most = max((abs(share) for _, share in known), default=0.0) or 1.0
    return [{"name": name, "share": share, "wide": 100 * abs(share) / most} for name, share in known]
