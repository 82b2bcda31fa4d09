"""Readings that arrive singly, from a program that pushes them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from contracts.identity import is_name
from contracts.readings import Quality, Readings, Series, Verdict

from .catalog import Catalog
from .cells import note

WHOLE = "*"


class Entry(NamedTuple):
    """One reading as it was pushed; ``time`` is None when it could not be read."""

    asset: str
    channel: str
    time: int | None
    value: float
    verdict: Verdict = Verdict.OK
    note: str = ""
    quality: Quality = Quality.GOOD


class Doorkeeper:
    """Checks names and the number of series, and gives readings without a time the last one that was read."""

    def __init__(self, source: str, asset: str, catalog: Catalog, last_time: int = 0) -> None:
        self.last_time = last_time
        self._source, self._asset, self._catalog = source, asset, catalog

    def readings(self, entries: Sequence[Entry], first: int) -> Readings:
        """The entries as readings with positions from ``first``."""
        checked = [self._checked(entry) for entry in entries]
        refused = sum(entry.verdict is Verdict.TOO_MANY_SERIES for entry in checked)
        self._catalog.refuse(self._source, refused)
        series: dict[Series, int] = {}
        code = [series.setdefault(Series(self._source, e.asset, e.channel), len(series)) for e in checked]
        times = []
        for entry in checked:
            self.last_time = self.last_time if entry.time is None else entry.time
            times.append(self.last_time)
        return Readings.of(
            list(series),
            np.array(code, np.int64),
            np.array(times, np.int64),
            np.array([entry.value for entry in checked]),
            np.arange(first, first + len(checked)),
            quality=np.array([entry.quality for entry in checked], np.uint8),
            verdict=np.array([entry.verdict for entry in checked], np.uint8),
            notes={row: entry.note for row, entry in enumerate(checked) if entry.note},
        )

    def _checked(self, entry: Entry) -> Entry:
        if entry.channel == WHOLE and entry.verdict:
            return entry._replace(asset=self._asset)
        for name in (entry.asset, entry.channel):
            if not is_name(name) or name == WHOLE:
                return self._turned_away(entry, Verdict.BAD_NAME, name)
        if not self._catalog.admits((entry.asset, entry.channel)):
            return self._turned_away(entry, Verdict.TOO_MANY_SERIES, f"{entry.asset}/{entry.channel}")
        return entry

    def _turned_away(self, entry: Entry, verdict: Verdict, text: str) -> Entry:
        return entry._replace(asset=self._asset, channel=WHOLE, value=math.nan, verdict=verdict, note=note(text))
