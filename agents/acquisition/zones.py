"""Local times of a named zone as UTC, with the hours that exist twice or not at all."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from contracts.readings import Int64

from .settings import Fold

DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local times are counted from a local midnight


class LocalTime:
    """Turns seconds since the local midnight of 1970-01-01 into seconds since 1970 UTC.

    A time that the clocks skip in spring does not exist. One that they show twice in autumn is two instants: it is
    refused too, unless ``fold`` says which of both is meant.
    """

    def __init__(self, zone: str, fold: Fold = "reject") -> None:
        # UTC has to work on machines without a zone database.
        self._zone = UTC if zone.upper() == "UTC" else ZoneInfo(zone)
        self._fold = fold
        self._days: dict[int, int | None] = {}

    def offset(self, local: int) -> int:
        """Seconds that the zone is ahead of UTC at a local time; ValueError when that is not one instant."""
        first, second = self._both(local)
        if first == second:
            return first
        if first < second:
            raise ValueError(f"no such time in {self._zone}: the clocks skip it")
        if self._fold == "reject":
            raise ValueError(f"two times in {self._zone}: the clocks show it twice")
        return first if self._fold == "first" else second

    def offsets(self, local: Int64) -> tuple[Int64, NDArray[np.bool_]]:
        """The offsets of many local times, and which of them fall on days without a change of the clocks."""
        days, inverse = np.unique(local // DAY_S, return_inverse=True)
        known = [self._steady(day) for day in days.tolist()]
        offsets = np.array([offset or 0 for offset in known], np.int64)
        steady = np.array([offset is not None for offset in known], np.bool_)
        return offsets[inverse], steady[inverse]

    def _steady(self, day: int) -> int | None:
        """The offset that holds the whole local day, or None when it changes in it."""
        if day not in self._days:
            if len(self._days) > 100_000:
                self._days.clear()
            offsets = {*self._both(day * DAY_S), *self._both((day + 1) * DAY_S)}
            self._days[day] = offsets.pop() if len(offsets) == 1 else None
        return self._days[day]

    def _both(self, local: int) -> tuple[int, int]:
        moment = _EPOCH + timedelta(seconds=local)
        pair = [moment.replace(tzinfo=self._zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
        return int(pair[0].total_seconds()), int(pair[1].total_seconds())
