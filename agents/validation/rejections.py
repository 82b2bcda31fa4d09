"""Series of which too many readings are rejected."""

import math
from collections.abc import Iterator

import numpy as np

from contracts.readings import Verdict, verdict_word

from .incidents import Found
from .segments import Bool, Int, Segments
from .table import NONE, Table

#: The last readings of a series that its share of rejected ones is taken of: the bits of one number.
WINDOW = 64
_MASK = 2**WINDOW - 1
#: Their times are not to be believed.
_UNTIMED = frozenset({Verdict.MALFORMED_ROW, Verdict.BAD_TIME, Verdict.NAIVE_TIME, Verdict.LATE, Verdict.FUTURE})


def watch(
    table: Table, seg: Segments, verdict: np.ndarray[tuple[int], np.dtype[np.uint8]], time: Int, share: float
) -> list[Found]:
    """Take in the verdicts of all readings; the incidents that begin or end with one of them."""
    number = seg.number
    bad: Bool = verdict[seg.rows] != 0
    watched = (table.rejections[number] != NONE) | seg.any(bad)
    calm = ~watched
    shift = np.minimum(seg.length[calm], WINDOW - 1).astype(np.uint64)
    recent = table.recent[number[calm]] << shift
    table.recent[number[calm]] = np.where(seg.length[calm] >= WINDOW, np.uint64(0), recent)
    table.heard[number[calm]] = time[seg.rows[seg.end[calm]]]
    found: list[Found] = []
    for segment in np.flatnonzero(watched).tolist():
        start = int(seg.start[segment])
        rows = seg.rows[start : start + int(seg.length[segment])]
        found += _follow(table, int(number[segment]), rows.tolist(), verdict[rows].tolist(), (time, share))
    return found


def _follow(table: Table, number: int, rows: list[int], verdicts: list[int], how: tuple[Int, float]) -> Iterator[Found]:
    time, share = how
    begin = math.ceil(share * WINDOW)
    recent, since = int(table.recent[number]), int(table.rejections[number])
    refused = int(table.refused[number])
    heard = int(table.heard[number])
    for row, verdict in zip(rows, verdicts, strict=True):
        recent = (recent << 1 | (verdict != 0)) & _MASK
        count = recent.bit_count()
        refused += verdict != 0 and since != NONE
        at = heard if verdict in _UNTIMED and heard != NONE else int(time[row])
        heard = heard if verdict else at
        if since == NONE and verdict and count >= begin:
            since, refused = at, count
            detail = f"{count} of the last {WINDOW} readings were rejected, the last as {verdict_word(verdict)}"
            yield Found(row, "rejections", "open", number, since, since, detail, count)
        elif since != NONE and 2 * count < begin:
            detail = f"{refused} readings were rejected; now {count} of the last {WINDOW}"
            yield Found(row, "rejections", "closed", number, at, since, detail, refused)
            since = NONE
    table.recent[number], table.heard[number] = recent, heard
    table.rejections[number], table.refused[number] = since, refused
