"""Numbers that a process keeps of itself: plain ones, without locks, since one thread writes them."""

from bisect import bisect_left
from collections.abc import Sequence

from .families import Family

#: Series of one family in one process. More than that is a mistake, and is counted as one series.
MOST_SERIES = 500
OTHER = "other"

#: Family -> values of its labels -> the value; a histogram has a count per bucket, one for all above, and the sum.
Series = dict[str, dict[tuple[str, ...], list[float]]]


class Metrics:
    """Counters, gauges and histograms by family and labels; they begin at zero with the process."""

    def __init__(self) -> None:
        self.series: Series = {}

    def add(self, family: Family, *labels: str, amount: float = 1.0) -> None:
        """Raise a counter."""
        self._slot(family, labels)[0] += amount

    def put(self, family: Family, *labels: str, value: float) -> None:
        """Set a gauge."""
        self._slot(family, labels)[0] = value

    def observe(self, family: Family, *labels: str, value: float) -> None:
        """Put a value into a histogram; one that equals a bound belongs below it."""
        slot = self._slot(family, labels)
        slot[bisect_left(family.buckets, value)] += 1.0
        slot[-1] += value

    def _slot(self, family: Family, labels: tuple[str, ...]) -> list[float]:
        rows = self.series.get(family.name)
        if rows is None:
            rows = self.series[family.name] = {}
        slot = rows.get(labels)
        if slot is None:
            if len(labels) != len(family.labels):
                raise ValueError(f"{family.name} has the labels {family.labels}, not {labels}")
            if len(rows) >= MOST_SERIES:
                labels = (OTHER,) * len(labels)
            width = len(family.buckets) + 2 if family.kind == "histogram" else 1
            slot = rows.setdefault(labels, [0.0] * width)
        return slot


def quantile(counts: Sequence[float], buckets: Sequence[float], share: float) -> float | None:
    """The bound below which ``share`` of a histogram's values lie; None without values.

    ``counts`` has one per bucket and one for all above; what lies above all bounds counts as the last one.
    """
    total = sum(counts)
    if not total:
        return None
    below = 0.0
    for bound, count in zip(buckets, counts, strict=False):
        below += count
        if below >= share * total:
            return bound
    return buckets[-1]
