"""What all sources that read tables have in common: their settings, and cutting rows into harvests."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, field_validator

from contracts.errors import Unavailable
from contracts.identity import is_name

from ..parts import Harvest, Source
from .settings import IGNORED, Fold, TimeUnit, known_zone

if TYPE_CHECKING:
    from contracts.readings import Readings

    from .layout import Wanted
    from .rows import Rows
    from .table import Manner, Table

#: So many names are kept in ``resume``; with more, the beginning is read again to learn them.
MAX_KEPT_KEYS = 64


class TableSource(Source):
    """A source whose input has rows and columns."""

    asset: str | None = Field(default=None, description="whose readings these are; empty: from the file's name")
    asset_column: str | None = Field(default=None, description="column that names the asset; usual: asset")
    time_column: str | None = Field(default=None, description="empty: the first of the usual names")
    time_unit: TimeUnit = Field(default="auto", description="of times that are numbers; auto: by magnitude")
    zone: str | None = Field(default=None, description="of times without an offset; empty: these are refused")
    fold: Fold = Field(default="reject", description="which instant a local time means that exists twice")
    channels: tuple[str, ...] = Field(default=(), description="columns to read; empty: all that hold numbers")
    ignore: tuple[str, ...] = Field(default=IGNORED, description="columns that are never channels by default")
    units: dict[str, str] = Field(default_factory=dict, description="channel -> the only unit it may have")
    trim: bool = Field(default=False, description="whether blanks around a cell mean nothing")
    max_series: int = Field(default=50_000, ge=1, description="readings of further series are refused")
    batch_rows: int = Field(default=2_000, ge=1, description="most rows in one harvest")

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str | None) -> str | None:
        return known_zone(zone)

    @field_validator("asset")
    @classmethod
    def _asset_name(cls, asset: str | None) -> str | None:
        if asset is not None and not is_name(asset):
            raise ValueError("must be a name: printable, without / { }, at most 128 characters")
        return asset

    def wanted(self) -> "Wanted":
        """The settings about columns."""
        from .layout import Wanted

        return Wanted(self.time_column, self.asset_column, self.channels, self.ignore, self.max_series)

    def manner(self, source: str, asset: str, fast: bool = True) -> "Manner":
        """The settings about cells."""
        from .table import Manner
        from .times import TimeReader

        times = TimeReader(self.zone, self.fold, self.time_unit)
        return Manner(source, self.asset or asset, times, self.units, self.trim, fast)

    def cut(self, readings: "Readings", first: int, count: int) -> "Iterator[tuple[int, Readings]]":
        """Batches of at most ``batch_rows`` rows, each with the number of rows that end with it."""
        import numpy as np

        if not len(readings):
            return
        begins = list(range(0, count, self.batch_rows))
        # A reading of the header stands before row ``first`` and goes with the first batch.
        at = [0, *np.searchsorted(readings.position, [first + begin for begin in begins[1:]]).tolist()]
        for number, begin in enumerate(begins):
            stop = at[number + 1] if number + 1 < len(at) else len(readings)
            if stop > at[number]:
                yield min(begin + self.batch_rows, count), readings.take(slice(at[number], stop))


def harvests_of(
    source: TableSource, table: "Table", rows: "Rows", state: dict[str, Any], fault: "Readings | None" = None
) -> Iterator[Harvest]:
    """The harvests of some rows; ``state`` is what ``resume`` says beside the place."""
    from contracts.readings import joined

    converted = table.convert(rows)
    readings = converted.readings
    if fault is not None:
        readings = joined([fault, readings]) if len(readings) else fault
    keys = list(table.catalog.keys) if len(table.catalog.keys) <= MAX_KEPT_KEYS else None
    for done, batch in source.cut(readings, rows.first, rows.count):
        resume = {
            **state,
            "row": rows.first + done - 1,
            "place": int(rows.ends[done - 1]),
            "time": int(converted.after[done - 1]),
            "keys": keys,
        }
        yield Harvest(batch, json.dumps(resume, separators=(",", ":"), ensure_ascii=False))


def resumed(text: str, source: str) -> dict[str, Any]:
    """What an earlier run wrote down. Raises Unavailable when it is not ours."""
    try:
        state = json.loads(text)
        if state["v"] != 1:
            raise ValueError(f"version {state['v']}")
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"source {source}: cannot go on from {text[:80]!r} ({error!r})",
            mend="it was written by another kind of source or a newer version; give this source another name",
        ) from error
    return cast("dict[str, Any]", state)


def after(harvest: Harvest, done: int) -> Harvest:
    """A harvest without the rows that are in the log already."""
    import numpy as np

    begin = int(np.searchsorted(harvest.readings.position, done, side="right"))
    if not begin:
        return harvest
    return Harvest(harvest.readings.take(slice(begin, len(harvest.readings))), harvest.resume)
