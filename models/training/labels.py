"""What is known of a range: stretches of series that somebody called a true alarm, and those called a false one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import FileRefused
from contracts.instants import from_iso

from .rows import Rows
from .split import Split

Window = tuple[int, int]


@dataclass
class Known:
    """Of one series: begin and end of each stretch, both included, event time in ns.

    ``whole``: everything that is in no stretch is known to be normal.
    """

    true: list[Window] = field(default_factory=list)
    false: list[Window] = field(default_factory=list)
    whole: bool = False


@dataclass(frozen=True)
class Labels:
    """What is known of some series, by their names; nothing is known of the others."""

    series: Mapping[str, Known] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: Any) -> "Labels":
        """The labels of a file: ``{"pump-1/flow": [["2026-03-01T10:00:00Z", "2026-03-01T10:20:00Z"]]}``.

        A series that is named is known as a whole, also with no stretch. Raises FileRefused.
        """
        try:
            series = {
                str(name): Known([(from_iso(begin), from_iso(end)) for begin, end in windows], whole=True)
                for name, windows in tree.items()
            }
        except (AttributeError, TypeError, ValueError) as error:
            raise FileRefused(f"labels must be an object of ASSET/CHANNEL -> [[begin, end], ...]: {error}") from error
        return cls(series)

    def merged(self, other: "Labels") -> "Labels":
        """Both; what this one knows of a series as a whole counts before what the other says of it."""
        series = {**other.series, **{name: known for name, known in self.series.items() if known.whole}}
        return Labels({**self.series, **series})

    def held_out(self, split: Split) -> "Labels":
        """Only stretches that lie in the part that is compared on: the others may have been learned from."""

        def after(windows: Sequence[Window]) -> list[Window]:
            return [(begin, end) for begin, end in windows if begin > split.compare_from and begin <= split.until]

        return Labels({name: Known(after(k.true), after(k.false), k.whole) for name, k in self.series.items()})

    def faulty(self, rows: Rows, names: Mapping[int, str]) -> NDArray[np.bool_]:
        """Which readings lie in a stretch that is a true alarm, bool[n]: nothing normal is learned from them."""
        out = np.zeros(len(rows), np.bool_)
        for row in np.unique(rows.rows).tolist() if self.series else ():
            for begin, end in self.series[names[row]].true if names[row] in self.series else ():
                out |= (rows.rows == row) & (rows.times >= begin) & (rows.times <= end)
        return out


@dataclass
class Hits:
    """What a detector made of the known stretches of one series, reading by reading."""

    known: Known
    true: set[int] = field(default_factory=set)
    false: set[int] = field(default_factory=set)
    outside: int = 0
    _alarms: bool = False

    def take(self, times: NDArray[np.int64], over: NDArray[np.bool_]) -> None:
        """The next readings of the series: their event times, and whether they are alarms."""
        inside = np.zeros(len(times), np.bool_)
        for windows, hits in ((self.known.true, self.true), (self.known.false, self.false)):
            for number, (begin, end) in enumerate(windows):
                within = (times >= begin) & (times <= end)
                inside |= within
                hits.update([number] if bool((within & over).any()) else [])
        before = np.concatenate(([self._alarms], over[:-1])) if len(over) else over
        # An alarm is counted where it begins: one that lasts is not many.
        self.outside += int(np.count_nonzero(over & ~before & ~inside))
        self._alarms = bool(over[-1]) if len(over) else self._alarms


def rates(found: Sequence[Hits]) -> dict[str, float]:
    """Precision, recall and F1; empty where no stretch is a true alarm."""
    true = sum(len(each.known.true) for each in found)
    if not true:
        return {}
    hit = sum(len(each.true) for each in found)
    wrong = sum(len(each.false) + (each.outside if each.known.whole else 0) for each in found)
    precision = hit / (hit + wrong) if hit + wrong else 0.0
    recall = hit / true
    f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
    return {"labels": float(true), "precision": precision, "recall": recall, "f1": f1}
