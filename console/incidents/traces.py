"""The curve of one series around an incident, as fine as its readings allow."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contracts.instants import EARLIEST, LATEST
from models.drift.words import F64, I64

from ..drifts.report_gathering import Curve

#: Readings that are kept until it is known where they begin and end; more are drawn over the whole range.
_MOST = 200_000


@dataclass
class Trace:
    """Readings of a series in a range of time; memory stays bounded however many there are."""

    span: tuple[int, int]
    _parts: list[tuple[I64, F64]] = field(default_factory=list)
    _count: int = 0
    _whole: Curve | None = None

    def add(self, times: I64, values: F64) -> None:
        """Take in readings within the range."""
        if self._whole is not None:
            self._whole.add(times, values)
            return
        self._parts.append((times, values))
        self._count += len(times)
        if self._count > _MOST:
            self._whole = self._drawn(Curve(*self.span))
            self._parts.clear()

    def points(self) -> tuple[I64, F64, F64]:
        """Times (ns) with least and largest value, at most 600."""
        if self._whole is not None:
            return self._whole.points()
        first = min((int(times.min()) for times, _ in self._parts), default=EARLIEST)
        last = max((int(times.max()) for times, _ in self._parts), default=LATEST)
        return self._drawn(Curve(first, last)).points()

    def _drawn(self, curve: Curve) -> Curve:
        for times, values in self._parts:
            curve.add(times, values)
        return curve


def plain(values: "np.ndarray[Any, np.dtype[Any]]") -> list[Any]:
    """As JSON has them."""
    found: list[Any] = values.tolist()
    return found
