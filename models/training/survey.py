"""The first look at a range: what is in it, and the digest that names it."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from contracts.errors import NotFound
from contracts.events import ReadingsAccepted
from contracts.identity import digest

from ..manifest import TrainedOn
from .rows import Rows

_COLUMNS = np.dtype([("series", "<i8"), ("time", "<i8"), ("value", "<f8"), ("ordinal", "<i8")])


@dataclass
class Survey:
    """Goes over the rows of one partition after the other.

    The digest is over series, event time, value and ordinal of every reading that counts, in arrival order: one changed
    reading changes it, how readings are cut into batches does not.
    """

    partitions: dict[int, tuple[int, int]] = field(default_factory=dict)
    parts: dict[int, str] = field(default_factory=dict)
    series: dict[str, int] = field(default_factory=dict)
    readings: int = 0
    since: int = 2**63 - 1
    until: int = -(2**63)
    _state: Any = field(default_factory=lambda: blake2b(digest_size=16))
    _span: tuple[int, int] = (0, 0)

    def take(self, rows: Rows) -> None:
        """The next rows of the partition that is looked at."""
        if not len(rows):
            return
        packed = np.empty(len(rows), _COLUMNS)
        packed["series"], packed["time"], packed["ordinal"] = rows.rows, rows.times, rows.ordinals
        packed["value"] = rows.values
        self._state.update(packed.tobytes())
        self._span = (self._span[0] or int(rows.ordinals[0]), int(rows.ordinals[-1]))
        self.readings += len(rows)
        self.since, self.until = min(self.since, int(rows.times.min())), max(self.until, int(rows.times.max()))

    def end(self, partition: int, names: dict[str, int]) -> None:
        """The partition is done; ``names`` are the numbers of its series."""
        if self._span[1]:
            self.partitions[partition] = self._span
            self.parts[partition] = digest(self._state.digest(), *names)
            self.series.update(dict.fromkeys(names, partition))
        self._state, self._span = blake2b(digest_size=16), (0, 0)

    def trained_on(self) -> TrainedOn:
        """The range, as a bundle tells of it.

        Raises NotFound when there is nothing in it.
        """
        if not self.readings:
            raise NotFound("there is no reading in this range of the log that the plan is about")
        spans = {str(number): span for number, span in sorted(self.partitions.items())}
        named = [text for number, part in sorted(self.parts.items()) for text in (str(number), part)]
        return TrainedOn(
            stream=ReadingsAccepted.stream,
            partitions=spans,
            since=self.since,
            until=self.until,
            readings=self.readings,
            digest=digest("training range", *named),
        )
