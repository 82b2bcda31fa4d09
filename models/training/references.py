"""What drift is measured against: how each series was in the part of the range that detectors are fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rows import Rows

#: The last readings of a series that its reference is learned from; two days at one a minute are 2,880.
_READINGS = 5_000
#: Fewer readings are no reference.
_LEAST = 50


@dataclass
class References:
    """Keeps the last readings of at most ``most`` series; of more it keeps none, since which would be by chance."""

    most: int
    _kept: dict[str, list[Rows]] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)
    _arrays: dict[str, NDArray[Any]] | None = None

    def take(self, rows: Rows, names: Mapping[int, str]) -> None:
        """Further rows of a partition that may be learned from; ``names``: number -> series."""
        for row in np.unique(rows.rows).tolist():
            mine = rows.at(np.flatnonzero(rows.rows == row)[-_READINGS:])
            kept = self._kept.setdefault(names[row], [])
            kept.append(mine)
            self._count[names[row]] = self._count.get(names[row], 0) + len(mine)
            while self._count[names[row]] - len(kept[0]) >= _READINGS:
                self._count[names[row]] -= len(kept.pop(0))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays ``reference/...`` of a bundle; see models.drift.bundled."""
        from ..drift.bundled import pack

        if self._arrays is None:
            few = len(self._kept) <= self.most
            learned = {name: self._learned(parts) for name, parts in self._kept.items()} if few else {}
            self._arrays = pack({name: each for name, each in learned.items() if each is not None})
        return self._arrays

    @staticmethod
    def _learned(parts: list[Rows]) -> Any:
        from ..drift import DriftTest
        from ..drift.bundled import Bound
        from ..drift.cadence import cadence_of
        from ..drift.covered import Covered
        from ..drift.holes import filled

        times = np.concatenate([each.times for each in parts])[-_READINGS:]
        values = np.concatenate([each.values for each in parts])[-_READINGS:]
        if np.count_nonzero(np.isfinite(values)) < _LEAST:
            return None
        per_day = cadence_of(times)
        clock, known = filled(times, values, per_day)
        reference = DriftTest().fit(known, per_day, clock if per_day else None)
        return Bound(reference, Covered.of(times, values))
