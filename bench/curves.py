"""The curve of a year at one reading a second, from an archive alone: how long it takes, and in how much memory.

    python -m bench.curves [--readings 31536000] [--rows 256] [--channels 1] [--json]

The archive is made as the archiver makes it: segments of 200,000 events, a partition with so many channels, entries of
so many rows. ``first``: nothing was read before; ``again``: extremes of segments are remembered; ``day`` and ``hour``
are in the middle of it, from the files. Limits, of the whole year: the process grows by less than 300 MB, and it is
asked for again in less than a second.
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import numpy as np

from bus.archive import Archive
from bus.history import History
from bus.protocol import Entry, Place
from console.curves.asked import Asked
from console.curves.series import Curves
from contracts.events import ReadingsAccepted
from contracts.frames import encode
from contracts.identity import partition_of
from contracts.instants import SECOND, from_iso
from contracts.readings import Readings, Series

ASSET, START, PARTITIONS, SEGMENT = "pump-1", from_iso("2025-11-21T00:00:00Z"), 4, 200_000
PLACE = Place(ReadingsAccepted.stream, partition_of(ASSET, PARTITIONS))
MOST_MB, AGAIN_S, LONGEST_S = 300.0, 1.0, 600.0


async def archived(archive: Archive, readings: int, rows: int, channels: int) -> None:
    """Readings of some channels, one a second of each, with one value that stands out."""
    names = [Series("bench", ASSET, f"c{number}") for number in range(channels)]
    last, entries = 0, list[Entry]()
    for begin in range(0, readings, rows):
        at = np.arange(begin, min(begin + rows, readings))
        second = at // channels
        value = np.sin(second / 8_000) + (at == readings // 3 // channels * channels) * 99.0
        batch = Readings.of(names, at % channels, START + second * SECOND, value, second)
        (frame,) = encode([ReadingsAccepted(batch)], "bench")
        last += len(at)
        entries.append(Entry(last, len(at), frame.fields()))
        if last - entries[0].first + 1 >= SEGMENT or last == readings:
            await archive.add(PLACE, entries)
            entries = []


async def measured(folder: Path, readings: int, rows: int, channels: int) -> dict[str, Any]:
    """Seconds of each question, and how much the process grew."""
    archive = Archive(folder, "bench", PARTITIONS)
    await archived(archive, readings, rows, channels)
    curves = Curves(History(archive, archive), LONGEST_S)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    middle = START + readings // channels // 2 * SECOND
    asked = {
        "first": Asked(ASSET, "c0", begin=True),
        "again": Asked(ASSET, "c0", begin=True),
        "lttb": Asked(ASSET, "c0", begin=True, method="lttb"),
        "day": Asked(ASSET, "c0", middle, middle + 86_400 * SECOND),
        "hour": Asked(ASSET, "c0", middle, middle + 3_600 * SECOND),
    }
    row: dict[str, Any] = {"readings": readings, "rows": rows, "channels": channels}
    for name, one in asked.items():
        begun = perf_counter()
        found = await curves.of(one)
        row[f"{name}_s"] = round(perf_counter() - begun, 3)
        row[f"{name}_points"] = len(found.curve.times)
        if one.begin:
            row["whole"] = found.curve.count == -(-readings // channels) and found.facts["highest"] > 98.0
    row["grown_mb"] = round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1)
    row["mb"] = round(sum(segment.size for segment in await archive.segments(PLACE)) / 1e6, 1)
    return row


def main() -> int:
    """Measure; exit code 1 when a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=365 * 86_400)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = anyio.run(measured, Path(folder), given.readings, given.rows, given.channels)
    row["ok"] = row["whole"] and row["grown_mb"] < MOST_MB and row["again_s"] < AGAIN_S
    lines = [json.dumps(row)] if given.json else [f"{name:<14} {value}" for name, value in row.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if row["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
