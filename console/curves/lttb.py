"""Largest triangle three buckets: of each bucket the point stays that makes the largest triangle with its neighbours.

S. Steinarsson, Downsampling Time Series for Visual Representation, MSc thesis, University of Iceland, 2013. Chosen
among the extremes of finer steps, as J. Van Der Donckt and others, MinMaxLTTB, IEEE VIS 2023: so it needs no more
than a bounded number of points, and looks the same.
"""

import numpy as np

from contracts.readings import Float64, Int64

#: Extremes among which each point is chosen.
RATIO = 4


def lttb(times: Int64, values: Float64, most: int) -> tuple[Int64, Float64]:
    """At most ``most`` of the points, the first and the last among them. Times rise."""
    count = len(times)
    if most >= count or most < 3:
        return times[:most], values[:most]
    # Relative times, or a square of nanoseconds would lose what tells neighbours apart.
    x = (times - times[0]).astype(np.float64)
    scale = float(np.abs(values).max()) or 1.0
    y = values / scale
    edges = np.linspace(1, count - 1, most - 1).astype(np.int64)
    chosen = [0]
    for number in range(most - 2):
        start, stop = int(edges[number]), int(edges[number + 1])
        behind = slice(stop, int(edges[number + 2]) if number + 2 < len(edges) else count)
        ahead_x, ahead_y = float(x[behind].mean()), float(y[behind].mean())
        a = chosen[-1]
        area = np.abs((x[a] - ahead_x) * (y[start:stop] - y[a]) - (x[a] - x[start:stop]) * (ahead_y - y[a]))
        chosen.append(start + int(area.argmax()))
    rows = np.array([*chosen, count - 1])
    return times[rows], values[rows]
