"""Readings put together to rows: what the channels of an asset say of one time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..numbering import Ints

#: Rows that the evidence of a finding goes back.
BACK = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is ready to be judged.

    spot     number in the batch of the reading that made it ready
    time     event time, ns
    members  series of all channels that the asset has had
    series, values   the readings
    first    ordinal where the evidence begins; ``last`` of the row's last reading
    """

    spot: int
    asset: int
    time: int
    members: Ints
    series: Ints
    values: Any
    first: int
    last: int


@dataclass
class RowState:
    """What is known of assets, by number.

    members   series of the asset
    open      asset -> [time, ordinal of the first reading, of the last, series, values] of the row that is being read
    expected  how many readings make the row complete; 0: only a later time does
    marks     ordinals of the first readings of the last rows
    """

    numbers: dict[str, int] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)
    open: dict[int, list[Any]] = field(default_factory=dict)
    expected: dict[int, int] = field(default_factory=dict)
    marks: dict[int, list[int]] = field(default_factory=dict)

    def take(self, spot: int, asset: int, series: int, reading: tuple[int, float, int]) -> Iterator[Row]:
        """The rows that a reading (time, value, ordinal) makes ready: the one before it, its own, or none.

        A row is ready when every channel that is expected has spoken, or when time goes on. A reading that is older
        than its asset's row is left out, and so is a second one of a channel in a row.
        """
        time, value, ordinal = reading
        members = self.members.setdefault(asset, [])
        if series not in members:
            members.append(series)
        row = self.open.get(asset)
        if row is not None and time > row[0]:
            if row[3]:
                yield self._closed(spot, asset, row)
            row = None
        if row is None:
            row = self.open[asset] = [time, ordinal, ordinal, [], []]
        if time < row[0] or series in row[3]:
            return
        if not row[3]:
            row[1] = ordinal
        row[2] = ordinal
        row[3].append(series)
        row[4].append(value)
        if len(row[3]) == self.expected.get(asset, 0):
            yield self._closed(spot, asset, row)

    def whole(self, spot: int, asset: int, time: int, series: Ints, values: Any, ordinal: int) -> Row | None:
        """The row of neighbouring readings of one time, ``spot`` and ``ordinal`` those of the last.

        What `take` gives for them one by one, when they are the row that is expected from all channels; else None, and
        nothing has changed.
        """
        row, count = self.open.get(asset), len(series)
        if row is None or row[3] or time <= row[0] or count != self.expected.get(asset):
            return None
        order = np.argsort(series)
        members = np.array(sorted(self.members[asset]), np.int64)
        if len(members) != count or not (series[order] == members).all():
            return None
        self.open[asset] = [time, ordinal - count + 1, ordinal, [], []]
        first = self._marked(asset, ordinal - count + 1)
        return Row(spot, asset, time, members, members, values[order], first, max(ordinal, 1))

    def _closed(self, spot: int, asset: int, row: list[Any]) -> Row:
        first = self._marked(asset, row[1])
        series, values = np.array(row[3], np.int64), np.array(row[4])
        row[3], row[4] = [], []
        # In the order of the channels' numbers: rounding must not depend on who was heard first.
        order = np.argsort(series)
        members = np.array(sorted(self.members[asset]), np.int64)
        return Row(spot, asset, row[0], members, series[order], values[order], first, max(row[2], 1))

    def _marked(self, asset: int, ordinal: int) -> int:
        """Where the evidence of a row begins that begins there itself."""
        marks = self.marks.setdefault(asset, [])
        marks.append(ordinal)
        del marks[:-BACK]
        return max(marks[0], 1)
