"""Small drawings of the page: boxes that do not overlap, arrows that lead to the right, lines inside their frame."""

from collections.abc import Sequence
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.page import strokes
from console.page.layered import WIDTH, drawn
from console.walks.graph import Graph


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Arrows lead from an earlier box to a later one, so there are no circles."""
    graph = Graph()
    for number in range(draw(st.integers(1, 12))):
        graph.box(*(f"line {n} of {number}" for n in range(draw(st.integers(1, 4)))))
    last = len(graph.boxes) - 1
    for _ in range(draw(st.integers(0, 20)) if last else 0):
        start = draw(st.integers(0, last - 1))
        graph.arrow(start, draw(st.integers(start + 1, last)), draw(st.sampled_from(("", "trained"))))
    return graph


@given(graphs())
def test_boxes_stand_apart_inside_the_drawing_and_arrows_lead_to_the_right(graph: Graph) -> None:
    found = drawn(graph)
    for one in found.boxes:
        assert one.x >= 0
        assert one.y >= 0
        assert one.x + WIDTH <= found.width
        assert one.y + one.height <= found.height
        for other in found.boxes:
            apart = abs(one.x - other.x) >= WIDTH or one.y + one.height <= other.y or other.y + other.height <= one.y
            assert one is other or apart
    for start, end, _ in graph.arrows:
        assert found.boxes[start].x + WIDTH < found.boxes[end].x
    assert len(found.arrows) == len(graph.arrows)
    assert drawn(graph) == found, "the same each time"


def test_what_nothing_leads_to_stands_beside_what_it_leads_to() -> None:
    """Training data of a bundle stand by the bundle, not by the readings."""
    graph = Graph()
    readings, features, bundle, data = (graph.box(name) for name in ("readings", "features", "bundle", "data"))
    for start, end in ((readings, features), (features, bundle), (data, bundle)):
        graph.arrow(start, end)
    found = drawn(graph).boxes
    assert found[data].x == found[features].x > found[readings].x


def test_a_line_that_is_too_long_is_cut_and_kept_whole_beside() -> None:
    graph = Graph()
    graph.box("x" * 200)
    (box,) = drawn(graph).boxes
    ((line, _),) = box.lines
    assert len(line) < 30
    assert box.whole == "x" * 200


CURVES = [
    [("2026-01-01T00:00:00Z", 1.0)],
    [("2026-01-01T00:00:00Z", 1.0), ("2026-01-01T00:00:01Z", 1.0)],
    [("2026-01-01T00:00:00Z", -1.7e308), ("2026-01-01T00:00:01Z", 1.7e308)],
    [("2026-01-01T00:00:00Z", float("nan")), ("2026-01-01T00:00:01Z", 2.0), ("2026-01-01T00:00:02Z", 3.0)],
]


@pytest.mark.parametrize("points", CURVES)
def test_a_curve_stays_inside_its_frame(points: Sequence[tuple[str, float]]) -> None:
    found = strokes.curve({"series": "a/b", "at": "2026-01-05T00:00:00Z", "points": points})
    assert found is not None
    places = [tuple(map(float, each.split(","))) for each in found["line"].split()]
    assert all(0 <= x <= strokes.WIDTH and 0 <= y <= strokes.HEIGHT for x, y in places)
    assert 0 <= found["at"] <= strokes.WIDTH
    if len({value for _, value in points if not isnan(value)}) > 1:
        heights = [y for _, y in places]
        assert (min(heights), max(heights)) == (strokes.EDGE, strokes.HEIGHT - strokes.EDGE), "it uses all of it"


@pytest.mark.parametrize("found", [None, {"series": "a/b", "at": "x", "points": [("x", float("inf"))][:0]}])
def test_what_has_no_points_is_not_drawn(found: dict[str, Any] | None) -> None:
    assert strokes.curve(found) is None


def test_bars_and_scores_stay_inside_their_frame() -> None:
    found = strokes.bars([("a", 0.5), ("b", -2.0), ("c", float("inf"))])
    assert [(each["name"], each["wide"]) for each in found] == [("a", 25.0), ("b", 100.0)]
    assert strokes.bars([("a", 0.0)])[0]["wide"] == 0
    assert strokes.score({"score": 7.0, "threshold": -1.0}) == {"score": 7.0, "threshold": -1.0, "wide": 100, "at": 0}
    assert strokes.score({"score": "Infinity", "threshold": 0.9}) is None
    assert strokes.score({}) is None
