"""Recorded logs: what sources wrote, and everything that came out of it then.

A history is a gzip file of rows as ``tocsin export --json`` writes them. Make one from any data directory:

    tocsin export --json --data-dir DIR > /tmp/log.jsonl
    python tests/histories/histories.py /tmp/log.jsonl tests/histories/NAME.jsonl.gz
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from contracts.events import ReadingsAcquired
from contracts.instants import from_iso
from contracts.readings import Quality, Readings, Series, Verdict

Row = dict[str, Any]
FOLDER = Path(__file__).parent
#: These name versions of libraries, or digest what was fitted with them: another machine has others, and must give the
#: same findings.
OF_THE_MACHINE = ("bundle", "environment", "reference")
#: The last bits of what is fitted depend on the machine's linear algebra.
DIGITS = 6
_VERDICTS = {verdict.word: verdict for verdict in Verdict}


def portable(row: Row) -> Row:
    """The row without what belongs to the machine that recorded it."""
    kept = {name: value for name, value in row.items() if name not in OF_THE_MACHINE}
    if row["type"] != "DriftDetected":
        return kept
    return {name: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for name, v in kept.items()}


def load(path: Path) -> list[Row]:
    """The rows of a history."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def acquired(rows: list[Row], partition: int) -> ReadingsAcquired:
    """What sources wrote to a partition."""
    chosen = [row for row in rows if row["type"] == "ReadingsAcquired" and row["partition"] == partition]
    numbers: dict[Series, int] = {}
    codes = [numbers.setdefault(Series(r["source"], r["asset"], r["channel"]), len(numbers)) for r in chosen]
    readings = Readings.of(
        list(numbers),
        np.array(codes, np.int32),
        np.array([from_iso(row["time"]) for row in chosen], np.int64),
        np.array([np.nan if row["value"] is None else row["value"] for row in chosen], np.float64),
        np.array([row["position"] for row in chosen], np.int64),
        quality=np.array([Quality[row["quality"].upper()] for row in chosen], np.uint8),
        verdict=np.array([_VERDICTS[row["verdict"]] for row in chosen], np.uint8),
        notes={number: row["note"] for number, row in enumerate(chosen) if "note" in row},
    )
    return ReadingsAcquired(readings)


def main(export: Path, target: Path) -> None:
    """Write a history; the same export gives the same bytes."""
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        for line in export.read_text(encoding="utf-8").splitlines():
            file.write(json.dumps(portable(json.loads(line)), ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
