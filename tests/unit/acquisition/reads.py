"""Reading a source to its end, and readings as plain tuples that can be compared."""

from collections.abc import Iterable
from typing import NamedTuple

from agents.parts import Harvest, Source
from contracts.readings import Readings, Verdict

HEADER = b"time,a,b\n"
AT = "2026-01-02T03:04:05Z"
AT_NS = 1_767_323_045_000_000_000


class Row(NamedTuple):
    position: int
    asset: str
    channel: str
    time: int
    value: str  # repr, so that NaN equals NaN
    verdict: Verdict
    note: str
    quality: int


async def harvests(source: Source, resume: str | None = None, name: str = "s") -> list[Harvest]:
    return [harvest async for harvest in source.harvests(name, resume)]


async def rows(source: Source, resume: str | None = None) -> list[Row]:
    return rows_of(await harvests(source, resume))


def rows_of(found: Iterable[Harvest]) -> list[Row]:
    return [row for harvest in found for row in plain(harvest.readings)]


def plain(readings: Readings) -> list[Row]:
    return [
        Row(
            int(readings.position[row]),
            readings.series[readings.code[row]].asset,
            readings.series[readings.code[row]].channel,
            int(readings.time[row]),
            repr(float(readings.value[row])),
            Verdict(readings.verdict[row]),
            readings.notes.get(row, ""),
            int(readings.quality[row]),
        )
        for row in range(len(readings))
    ]
