"""Texts that should be numbers: strictly decimal ASCII, one verdict for everything else.

``float`` would take ``1_000``, Arabic digits, ``nan`` and outer blanks; a sensor that sends those is broken, and a
value that was guessed is worse than none. What each text means is listed in ``policy.NUMBERS``.
"""

import math
import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.readings import Float64, Verdict

#: No sensor needs more digits; 5,000 of them are an attack or a lost line end.
MAX_NUMBER = 100
MAX_NOTE = 200
MISSING_WORDS = frozenset(("", "null", "none", "na", "n/a", "\\n"))

_DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(_DECIMAL)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)


def note(text: str) -> str:
    """What the input said, short enough to keep and without characters that could break a line or a page."""
    cut = text[:MAX_NOTE]
    if cut.isprintable():
        return cut
    plain = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
    return plain[:MAX_NOTE]


def number(text: str) -> tuple[float, Verdict]:
    """The value of one cell, or NaN and why it has none."""
    if len(text) > MAX_NUMBER:
        return math.nan, Verdict.TOO_LONG
    if _NUMBER.fullmatch(text):
        value = float(text)
        return (value, Verdict.OK) if math.isfinite(value) else (math.nan, Verdict.NOT_FINITE)
    if text.lower() in MISSING_WORDS:
        return math.nan, Verdict.MISSING
    if _NOT_FINITE.fullmatch(text):
        return math.nan, Verdict.NOT_FINITE
    return math.nan, Verdict.NOT_A_NUMBER


def numbers(column: "pa.StringArray", fast: bool = True) -> tuple[Float64, NDArray[np.uint8], Mapping[int, str]]:
    """The values of a column of texts, their verdicts, and the texts that were no numbers; null is ``""``.

    Almost every cell is a plain number: those are cast at once, and only the odd ones are looked at singly.
    ``fast=False`` looks at each singly; tests assert that both give the same.
    """
    size = len(column)
    values = np.full(size, np.nan)
    odd = np.arange(size)
    if fast:
        values = _cast(column)
        too_long = pc.fill_null(pc.greater(pc.binary_length(column), MAX_NUMBER), False)
        odd = np.flatnonzero(~np.isfinite(values) | too_long.to_numpy(zero_copy_only=False))
    verdicts = np.zeros(size, np.uint8)
    notes: dict[int, str] = {}
    if not odd.size:
        return values, verdicts, notes
    for index, text in zip(odd.tolist(), column.take(pa.array(odd)).to_pylist(), strict=True):
        values[index], verdict = number(text or "")
        verdicts[index] = verdict
        if verdict and text:
            notes[index] = note(text)
    return values, verdicts, notes


def _cast(column: "pa.StringArray") -> Float64:
    """Values of the cells that Arrow can read and that have the form of a number; NaN for the others."""
    try:
        cast = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        plain = pc.match_substring_regex(column, rf"\A(?:{_DECIMAL})\z")
        try:
            cast = pc.cast(pc.if_else(plain, column, pa.scalar(None, pa.string())), pa.float64())
        except pa.ArrowInvalid:
            return np.full(len(column), np.nan)
    return np.array(cast.to_numpy(zero_copy_only=False), np.float64)
