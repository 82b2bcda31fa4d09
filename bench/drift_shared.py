"""Drift alarms per day on the normal ranges of recorded data, by the agent as it is shipped, one configuration for all.

    .venv/bin/python -m bench.drift_shared [--files]

NAB: every stream outside its labelled windows. SKAB: the run without anomalies. The reference is the first
``reference_readings`` (1,000) of each file. Nobody says that nothing drifts in these ranges: what the labels leave out
is counted as a false alarm here. After an alarm the series is listened to again, in two ways: as if somebody had said
that it was put right (rearm: a lasting change is told over and over), or that it is meant so (re-reference).

Data: $TOCSIN_DATA or ../shared/data.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.drift import Drift
from agents.parts import Context
from contracts.events import DriftAcknowledged, DriftDetected, ReadingsAccepted
from contracts.instants import DAY
from contracts.readings import Readings, Series

ROOT = Path(__file__).resolve().parents[1]
#: Readings between two looks of whoever acknowledges.
STEP = 64
Answer = Literal["rearm", "re-reference"]


@dataclass(frozen=True)
class Stream:
    """One series with its abnormal ranges (begin, end), all times int64 ns."""

    corpus: str
    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    windows: list[tuple[int, int]]

    def normal(self, time: int) -> bool:
        """Whether a time lies outside all windows."""
        return not any(begin <= time <= end for begin, end in self.windows)


@dataclass
class Tally:
    """What came of some streams: alarms by kind, the time that was watched in days."""

    kinds: Counter[str] = field(default_factory=Counter)
    days: float = 0.0
    readings: int = 0
    quiet: int = 0
    streams: int = 0


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--files", action="store_true", help="print each file")
    given = asked.parse_args()
    data = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        raise SystemExit(f"no recorded data at {data}: set TOCSIN_DATA")
    part = Drift()
    part.prepare(Context("drift", Path(tempfile.gettempdir())))
    streams = [*nab(data / "nab"), *skab(data / "skab")]
    answers: tuple[Answer, ...] = ("rearm", "re-reference")
    for answer in answers:
        tallies: dict[str, Tally] = {}
        for stream in streams:
            kinds, days, readings = watched(part, stream, answer)
            if given.files:
                print(f"{answer:12} {stream.corpus}/{stream.name}: {days:.2f} days, {dict(kinds)}")
            for name in (stream.corpus, stream.corpus.partition(" ")[0]):
                each = tallies.setdefault(name, Tally())
                each.kinds += kinds
                each.days, each.readings = each.days + days, each.readings + readings
                each.quiet, each.streams = each.quiet + (not kinds), each.streams + 1
        print(f"answered by {answer}:")
        for name, each in sorted(tallies.items()):
            total = sum(each.kinds.values())
            print(
                f"  {name:28} {each.streams:3} series, {each.quiet:3} of them quiet; {each.days:7.2f} days, "
                f"{each.readings:7,} readings: {total} alarms, {total / each.days:.3f} a day, "
                f"{1e5 * total / each.readings:.1f} in 100,000 readings {dict(each.kinds.most_common())}"
            )


def watched(part: Drift, stream: Stream, answer: Answer) -> tuple[Counter[str], float, int]:
    """Alarms by kind outside the windows, days and readings there while the series was compared."""
    n, state, first = len(stream.times), part.start(), 1
    at = np.arange(n, dtype=np.int64)
    whole = Readings.of([Series("file", "m", "x")], np.zeros(n, np.int64), stream.times, stream.values, at)
    kinds: Counter[str] = Counter()
    days, readings = 0.0, 0
    for start in range(0, n, STEP):
        piece = replace(whole.take(slice(start, start + STEP)), first=first)
        first += len(piece)
        alarms = [e for e in part.handle(ReadingsAccepted(piece), state) if isinstance(e, DriftDetected)]
        if state.series.adopted[0] and stream.normal(int(piece.time[0])):
            days += max(int(piece.time[-1] - piece.time[0]), 0) / DAY * len(piece) / max(len(piece) - 1, 1)
            readings += len(piece)
        for alarm in alarms:
            normal = stream.normal(alarm.time)
            kinds[alarm.kind] += normal
            said = DriftAcknowledged.of(
                cause=alarm.id, time=alarm.time, asset="m", action=answer if normal else "rearm", by="bench"
            )
            list(part.handle(said, state))
            first += 1
    return +kinds, days, readings


def nab(folder: Path) -> Iterator[Stream]:
    labels: dict[str, Any] = json.loads((folder / "labels" / "combined_windows.json").read_text())
    for path in sorted((folder / "data").glob("*/*.csv")):
        with path.open(newline="") as handle:
            lines = list(csv.DictReader(handle))
        name = str(path.relative_to(folder / "data"))
        windows = [(_time(begin), _time(end)) for begin, end in labels[name]]
        times = np.array([line["timestamp"] for line in lines], "datetime64[ns]").astype(np.int64)
        values = np.array([float(line["value"]) for line in lines])
        # A clock that was put back repeats an hour; validation rejects those readings as late.
        keep = np.append(True, np.diff(np.maximum.accumulate(times)) > 0)
        yield Stream(f"nab {path.parent.name}", path.stem, times[keep], values[keep], windows)


def skab(folder: Path) -> Iterator[Stream]:
    with (folder / "anomaly-free" / "anomaly-free.csv").open(newline="") as handle:
        lines = list(csv.DictReader(handle, delimiter=";"))
    times = np.array([line["datetime"] for line in lines], "datetime64[ns]").astype(np.int64)
    for channel in list(lines[0])[1:]:
        values = np.array([float(line[channel]) for line in lines])
        yield Stream("skab anomaly-free", channel, times, values, [])


def _time(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


if __name__ == "__main__":
    main()
