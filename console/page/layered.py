"""Where the boxes and arrows of a small graph stand: in layers from left to right, as Sugiyama et al. (1981) do it.

Each box stands right of all that lead to it; within a layer boxes stand near those that they belong to. Lengths are in
pixels of the drawing, which the page may scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..walks.graph import Box, Graph

#: Of a box: its width, the height of one line, the space around its text; and between layers and boxes.
WIDTH, LINE, PAD = 204.0, 18.0, 10.0
_ACROSS, _BETWEEN = 66.0, 18.0
#: Characters of a line that fit into a box, whatever the font.
_FITS = 25
_ID, _HEX = 16, frozenset("0123456789abcdef")
_SWEEPS = 4


@dataclass(frozen=True)
class Placed:
    """A box with its upper left corner; ``lines`` are cut to fit, each with its baseline; ``whole`` are not."""

    box: Box
    x: float
    y: float
    height: float
    lines: Sequence[tuple[str, float]]

    @property
    def whole(self) -> str:
        return ", ".join(self.box.lines)


@dataclass(frozen=True)
class Arrow:
    """The path of an arrow as SVG writes it, and the middle of its label."""

    path: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """Everything that is drawn, and how large it is."""

    width: float
    height: float
    boxes: Sequence[Placed]
    arrows: Sequence[Arrow]


def drawn(graph: Graph) -> Drawing:
    """The places of a graph without circles."""
    layers = _ordered(graph, _layers(graph))
    heights = [2 * PAD + LINE * len(box.lines) for box in graph.boxes]
    tall = max((sum(heights[n] + _BETWEEN for n in layer) - _BETWEEN for layer in layers), default=0.0)
    corners: dict[int, tuple[float, float]] = {}
    for number, layer in enumerate(layers):
        y = 1 + (tall - sum(heights[n] + _BETWEEN for n in layer) + _BETWEEN) / 2
        for box in layer:
            corners[box] = (1 + number * (WIDTH + _ACROSS), y)
            y += heights[box] + _BETWEEN
    boxes = [_placed(box, *corners[n], heights[n]) for n, box in enumerate(graph.boxes)]
    arrows = [_arrow(boxes[start], boxes[end], label) for start, end, label in graph.arrows]
    return Drawing(2 + len(layers) * (WIDTH + _ACROSS) - _ACROSS, tall + 2, boxes, arrows)


def _layers(graph: Graph) -> list[list[int]]:
    """Boxes by layer: right of all that lead to them, and what nothing leads to just left of what it leads to."""
    depth = [0] * len(graph.boxes)
    for _ in graph.boxes:
        for start, end, _label in graph.arrows:
            depth[end] = max(depth[end], depth[start] + 1)
    led = {end for _, end, _ in graph.arrows}
    for number in range(len(depth)):
        follows = [depth[end] for start, end, _ in graph.arrows if start == number]
        if number not in led and follows:
            depth[number] = min(follows) - 1
    return [[n for n, at in enumerate(depth) if at == layer] for layer in range(max(depth, default=-1) + 1)]


def _ordered(graph: Graph, layers: list[list[int]]) -> list[list[int]]:
    """Each layer in the order of the mean place of what its boxes hang on, to and fro."""
    near: dict[int, list[int]] = {n: [] for n in range(len(graph.boxes))}
    for start, end, _ in graph.arrows:
        near[start].append(end)
        near[end].append(start)
    for sweep in range(_SWEEPS):
        place = {n: (at + 0.5) / len(layer) for layer in layers for at, n in enumerate(layer)}
        for layer in layers if sweep % 2 else reversed(layers):
            means = {n: sum(place[o] for o in near[n]) / len(near[n]) if near[n] else place[n] for n in layer}
            layer.sort(key=lambda n: (means[n], n))
            place |= {n: (at + 0.5) / len(layer) for at, n in enumerate(layer)}
    return layers


def _placed(box: Box, x: float, y: float, height: float) -> Placed:
    lines = [(_fitting(line), y + PAD + LINE * (number + 0.75)) for number, line in enumerate(box.lines)]
    return Placed(box, x, y, height, lines)


def _fitting(line: str) -> str:
    """Of an id its beginning, as everywhere; of a name, which often tells itself apart at its end, both."""
    if len(line) <= _FITS:
        return line
    return f"{line[:_ID]}…" if set(line) <= _HEX else f"{line[: _FITS // 2]}…{line[-(_FITS // 2 - 1) :]}"


def _arrow(start: Placed, end: Placed, label: str) -> Arrow:
    x1, y1 = start.x + WIDTH, start.y + start.height / 2
    x2, y2 = end.x - 7, end.y + end.height / 2
    middle = (x1 + x2) / 2
    path = f"M{x1:.1f},{y1:.1f} C{middle:.1f},{y1:.1f} {middle:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    return Arrow(path, label, middle, (y1 + y2) / 2 - 5)
