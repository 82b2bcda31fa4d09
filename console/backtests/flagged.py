"""What the backtest writes: one row for each row of the input, with its time stamp as it was."""

import csv
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.acquisition.layout import TIME_NAMES

from .backtesting import Found

#: Columns that say what is true; nothing but the scoring reads them.
LABELS = ("anomaly", "changepoint")
_BEGINNINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Table:
    """The cells of a CSV file as texts; ``rows`` has the number of each row that is not blank (the header is 0)."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as raw:
            encoding = _BEGINNINGS.get(raw.read(2), "utf-8-sig")
        with path.open(newline="", encoding=encoding, errors="replace") as handle:
            head = handle.readline()
            handle.seek(0)
            cells = list(csv.reader(handle, delimiter=max(",;\t|", key=head.count)))
        self.names = [name.strip() for name in cells[0]] if cells else []
        self.rows = [(number, row) for number, row in enumerate(cells) if number and row]

    def column(self, name: str) -> list[str] | None:
        """The texts of a column, empty where a row is too short; None when there is no such column."""
        lower = [each.lower() for each in self.names]
        if name not in lower:
            return None
        at = lower.index(name)
        return [row[at] if at < len(row) else "" for _, row in self.rows]

    def stamps(self) -> list[str]:
        """The time of each row as it is written."""
        return next((texts for name in TIME_NAMES if (texts := self.column(name)) is not None), [""] * len(self.rows))


def scores(table: Table, found: Found) -> list[float]:
    """The score of each row; 0 where its reading was not accepted."""
    known: dict[int, float] = {}
    for positions, values in found.scores.values():
        known.update(zip(positions.tolist(), values.tolist(), strict=True))
    return [known.get(number, 0.0) for number, _ in table.rows]


def flags(table: Table, found: Found) -> Iterator[tuple[int, int]]:
    """Whether an anomaly is open at each row, and whether levels changed with it.

    A row without an accepted reading carries the last flag on, and is no change.
    """
    begins, ends = [begin for begin, _ in found.alarms], [end for _, end in found.alarms]
    changes = set(found.changes)
    flag = 0
    for number, _ in table.rows:
        time = found.times.get(number)
        change = 0
        if time is not None:
            # Of those that began until now, whether any is not over.
            flag = int(any(end > time for end in ends[: bisect_right(begins, time)]))
            change = int(time in changes)
            changes.discard(time)
        yield flag, change


def write(path: Path, table: Table, found: Found) -> None:
    """Write the predictions of a file; it is complete or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    header: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    if found.several:
        header = ("datetime", *LABELS)
        rows = ((stamp, *pair) for stamp, pair in zip(table.stamps(), flags(table, found), strict=True))
    else:
        header, rows = ("timestamp", "anomaly_score"), zip(table.stamps(), scores(table, found), strict=True)
    with draft.open("w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)
    draft.replace(path)
