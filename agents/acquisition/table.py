"""Turns rows of text into readings: the same for every file, however it was read and cut.

A cell that is no number is a reading of its channel with a verdict. A row whose time or names cannot be read, or that
cannot be taken apart, is one reading with the channel ``*``. A reading without a time of its own has the time that
was read last before it (0 at first), so that it stands in the log where it stood in the input.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.identity import is_name
from contracts.readings import Int64, Readings, Series, Verdict

from .catalog import Catalog
from .cells import note
from .layout import Layout
from .rows import Problem, Rows
from .times import TimeReader
from .typed import times_of, values_of

WHOLE_ROW = "*"
Marks = NDArray[np.uint8]


@dataclass(frozen=True)
class Manner:
    """How a source wants its tables to be read.

    asset   whose readings these are when rows do not say
    units   channel -> the only unit that its readings may have
    trim    whether blanks around a cell mean nothing
    fast    False looks at each cell singly; for tests
    """

    source: str
    asset: str
    times: TimeReader
    units: Mapping[str, str]
    trim: bool = False
    fast: bool = True


class Names(NamedTuple):
    """Whom each row speaks of: the number of a key, or -1 with a problem."""

    number: Int64
    keys: list[tuple[str, ...]]
    problems: dict[int, Problem]


class Converted(NamedTuple):
    """The readings of some rows, and the time that was read last at the end of each row."""

    readings: Readings
    after: Int64


class Table:
    """Converts the rows of one table, in order; remembers the series and the last time."""

    def __init__(self, layout: Layout, manner: Manner, catalog: Catalog) -> None:
        self.layout = layout
        self.catalog = catalog
        self.last_time = 0
        self._manner = manner

    def convert(self, rows: Rows) -> Converted:
        """The readings of the rows, in the order of the input."""
        columns = {number: self._text(column) for number, column in rows.columns.items()}
        times, verdicts, causes = times_of(columns[self.layout.time], self._manner.times, self._manner.fast)
        names = self._names(columns, len(rows.good))
        bad = np.flatnonzero((verdicts > 0) | (names.number < 0))
        fine = np.delete(np.arange(len(rows.good)), bad) if bad.size else np.arange(len(rows.good))
        stamps, after = self._stamps(rows, times, verdicts == 0)
        good = self._values(rows, columns, names, times, fine)
        if not bad.size and not rows.problems:
            return Converted(good, after)
        problems = dict(rows.problems)
        owners = {}
        for row in bad.tolist():
            place = int(rows.good[row])
            problems[place] = names.problems.get(row) or Problem(Verdict(verdicts[row]), causes.get(row, ""))
            if names.number[row] >= 0 and self.layout.asset is not None:
                owners[place] = names.keys[names.number[row]][0]
        self._announce(problems)
        return Converted(_merged(good, self._unread(rows, problems, owners, stamps)), after)

    def recall(self, last_time: int, keys: Iterable[Sequence[str]]) -> None:
        """Take up what an earlier run knew."""
        self.last_time = last_time
        self.catalog.keys.update(dict.fromkeys(tuple(key) for key in keys))

    def header_fault(self, position: int) -> Readings | None:
        """What is wrong with the header, as one reading at its own row."""
        if not self.layout.faults:
            return None
        series = Series(self._manner.source, self._manner.asset, WHOLE_ROW)
        one = np.zeros(1, np.int64)
        return Readings.of(
            [series],
            one,
            one + self.last_time,
            np.full(1, np.nan),
            one + position,
            verdict=np.full(1, Verdict.BAD_NAME, np.uint8),
            notes={0: note("; ".join(self.layout.faults))},
        )

    def _text(self, column: "pa.Array") -> "pa.Array":
        if self._manner.trim and pa.types.is_string(column.type):
            return pc.utf8_trim(column, " \t")
        return column

    def _stamps(self, rows: Rows, times: Int64, known: NDArray[np.bool_]) -> tuple[Int64, Int64]:
        """For each row the time that was read last, its own included."""
        place = np.full(rows.count, -1, np.int64)
        place[rows.good[known]] = np.flatnonzero(known)
        latest = np.maximum.accumulate(place)
        if len(times):
            after = np.where(latest >= 0, times[latest], self.last_time)
        else:
            after = np.full(rows.count, self.last_time, np.int64)
        if rows.count:
            self.last_time = int(after[-1])
        return after, after

    def _names(self, columns: "Mapping[int, pa.Array]", count: int) -> Names:
        layout = self.layout
        wanted = [column for column in (layout.asset, layout.channel) if column is not None]
        if not wanted:
            return Names(np.zeros(count, np.int64), [(self._manner.asset,)], {})
        number = np.zeros(count, np.int64)
        texts: list[list[str]] = []
        for column in wanted:
            found = columns[column].cast(pa.string()).fill_null("").dictionary_encode()
            texts.append(found.dictionary.to_pylist())
            number = number * max(len(texts[-1]), 1) + found.indices.to_numpy(zero_copy_only=False)
        codes, first, inverse = np.unique(number, return_index=True, return_inverse=True)
        known = np.full(len(codes), -1, np.int64)
        keys: list[tuple[str, ...]] = []
        faults: dict[int, Problem] = {}
        for code in np.argsort(first).tolist():
            key = _split(int(codes[code]), texts)
            if problem := self._refused(key):
                faults[code] = problem
            else:
                known[code] = len(keys)
                keys.append(key if layout.asset is not None else (self._manner.asset, *key))
        rows = np.flatnonzero(known[inverse] < 0).tolist() if faults else []
        return Names(known[inverse], keys, {row: faults[int(inverse[row])] for row in rows})

    def _refused(self, key: tuple[str, ...]) -> Problem | None:
        for text in key:
            if not is_name(text):
                return Problem(Verdict.BAD_NAME, note(text))
        if not self.catalog.admits(key):
            return Problem(Verdict.TOO_MANY_SERIES, note("/".join(key)))
        return None

    def _announce(self, problems: Mapping[int, Problem]) -> None:
        refused = sum(problem.verdict is Verdict.TOO_MANY_SERIES for problem in problems.values())
        self.catalog.refuse(self._manner.source, refused)

    def _values(
        self, rows: Rows, columns: "Mapping[int, pa.Array]", names: Names, times: Int64, fine: NDArray[np.intp]
    ) -> Readings:
        """The readings of the rows with a time and names."""
        layout, width = self.layout, len(self.layout.values)
        values, verdicts = np.empty((len(fine), width)), np.zeros((len(fine), width), np.uint8)
        notes: dict[int, str] = {}
        rank = {row: place for place, row in enumerate(fine.tolist())} if len(fine) < len(rows.good) else None
        for number, column in enumerate(layout.values):
            found, marks, said = values_of(columns[column], self._manner.fast)
            values[:, number], verdicts[:, number] = found[fine], marks[fine]
            for row, text in said.items():
                place = row if rank is None else rank.get(row)
                if place is not None:
                    notes[place * width + number] = text
        if layout.unit is not None and self._manner.units:
            self._check_units(columns[layout.unit], names, fine, values, verdicts, notes)
        source, channels = self._manner.source, layout.names
        if layout.long:
            series = [Series(source, *key) for key in names.keys]
        else:
            series = [Series(source, key[0], channel) for key in names.keys for channel in channels]
        return Readings.of(
            series,
            (names.number[fine][:, None] * width + np.arange(width)).ravel(),
            np.repeat(times[fine], width),
            values.ravel(),
            np.repeat(rows.first + rows.good[fine], width),
            verdict=verdicts.ravel(),
            notes=dict(sorted(notes.items())),
        )

    def _check_units(
        self,
        column: "pa.Array",
        names: Names,
        fine: NDArray[np.intp],
        values: NDArray[np.float64],
        verdicts: Marks,
        notes: dict[int, str],
    ) -> None:
        """Refuse values of long tables in another unit than the one that is set for their channel."""
        expected = [self._manner.units.get(key[-1]) for key in names.keys]
        texts = column.cast(pa.string()).to_pylist()
        for place, row in enumerate(fine.tolist()):
            unit, right = texts[row], expected[names.number[row]]
            if unit and right and unit != right and not verdicts[place, 0]:
                verdicts[place, 0], values[place, 0] = Verdict.WRONG_UNIT, np.nan
                notes[place] = note(f"{unit} instead of {right}")

    def _unread(
        self, rows: Rows, problems: Mapping[int, Problem], owners: Mapping[int, str], stamps: Int64
    ) -> Readings:
        """One reading for each row that has none of its own."""
        places = np.array(sorted(problems), np.int64)
        assets: dict[str, int] = {}
        code = [assets.setdefault(owners.get(place, self._manner.asset), len(assets)) for place in places.tolist()]
        return Readings.of(
            [Series(self._manner.source, asset, WHOLE_ROW) for asset in assets],
            np.array(code, np.int64),
            stamps[places],
            np.full(len(places), np.nan),
            rows.first + places,
            verdict=np.array([problems[place].verdict for place in places.tolist()], np.uint8),
            notes={at: problems[place].note for at, place in enumerate(places.tolist()) if problems[place].note},
        )


def _split(code: int, texts: list[list[str]]) -> tuple[str, ...]:
    key = []
    for choices in reversed(texts):
        code, which = divmod(code, max(len(choices), 1))
        key.append(choices[which])
    return tuple(reversed(key))


def _merged(good: Readings, bad: Readings) -> Readings:
    """Both, ordered by row. No row is in both, so a row's readings keep their order."""
    order = np.argsort(np.concatenate([good.position, bad.position]), kind="stable")
    where = np.empty(len(order), np.int64)
    where[order] = np.arange(len(order))
    shifted = {**good.notes, **{len(good) + row: text for row, text in bad.notes.items()}}
    time, value, quality, position, verdict = (
        np.concatenate([getattr(good, name), getattr(bad, name)])[order]
        for name in ("time", "value", "quality", "position", "verdict")
    )
    return Readings.of(
        (*good.series, *bad.series),
        np.concatenate([good.code, bad.code + len(good.series)])[order],
        time,
        value,
        position,
        quality=quality,
        verdict=verdict,
        notes=dict(sorted((int(where[row]), text) for row, text in shifted.items())),
    )
