"""Rows of a table as text, before anything was made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from contracts.readings import Int64, Verdict


class Problem(NamedTuple):
    """Why a whole row has no readings."""

    verdict: Verdict
    note: str


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of one table.

    first     number of the first row; the header is row 0
    count     how many rows, the unreadable and the blank ones included
    good      which of them (from 0) have as many fields as the header
    columns   the texts of the good rows, by column number; null is an empty cell
    problems  row (from 0) -> why it could not be taken apart
    ends      place in the input behind each row, to go on from
    """

    first: int
    count: int
    good: Int64
    columns: "Mapping[int, pa.Array]"
    problems: Mapping[int, Problem]
    ends: Int64


def rows_of(
    first: int,
    fields: Sequence[Sequence[str] | Problem | None],
    ends: Sequence[int],
    used: Sequence[int],
) -> Rows:
    """Rows from their fields; None stands for a blank line."""
    good = [number for number, row in enumerate(fields) if row is not None and not isinstance(row, Problem)]
    texts = [fields[number] for number in good]
    columns = {column: pa.array([text[column] for text in texts], pa.string()) for column in used}  # type: ignore[index]  # no row is None here
    problems = {number: row for number, row in enumerate(fields) if isinstance(row, Problem)}
    return Rows(first, len(fields), np.array(good, np.int64), columns, problems, np.array(ends, np.int64))
