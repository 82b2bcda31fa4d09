"""Score `tocsin backtest` on the Skoltech Anomaly Benchmark: eight channels of a water pump.

    python -m bench.skab [--predictions FOLDER] [--crop 75 ...] [--detector levels] [--per-file] [--json]

Without predictions they are made here, by the shipped configuration through the whole pipeline. Beside all files:

- `by_group`: valve1, valve2 and other, each for itself;
- `where`: rows that were missed: before an alarm began (`delay`), after it ended (`early`), between two of one fault
  (`holes`), in a fault without any (`missed`); and normal rows that were flagged: before a fault, after it in the same
  alarm (`late`), apart from any (`false`);
- `healthy`: rows flagged, and episodes, of the run without anomalies;
- `cropped`: the same files without their first rows, scored on the same rows. What of them falls into the
  detector's training then counts as normal;
- `metronome`: what change points would score that are told every 45 s whatever happens: the measure of change points
  costs so little for a false one that it rewards this;
- `shifted`: the same change points as many seconds late, as what chance would give.

Data: $TOCSIN_DATA or ../shared/data; scorer: $TOCSIN_BENCH or ../shared/bench (loaded, never copied).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .nab import ROOT, folder, scorer

SHIFTS = (90, 150, 210, 270)
HEALTHY = "anomaly-free/anomaly-free.csv"


def backtest(data: Path, out: Path, detector: str) -> None:
    """Predictions for all files of a folder."""
    command = [sys.executable, "-m", "console.cli", "backtest", str(data), "--out", str(out), "--detector", detector]
    subprocess.run([*command, "--json"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def cropped(data: Path, names: list[str], rows: int, into: Path) -> Path:
    """The files without their first rows."""
    for name in names:
        header, *lines = (data / name).read_text().splitlines(keepends=True)
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text("".join([header, *lines[rows:]]))
    return into


def load(skab: ModuleType, truth: Any, predictions: Path) -> dict[str, Any]:
    """The predictions of every file."""
    return {name: skab.load_prediction(predictions / name, times[0]) for name, (times, _, _) in truth.items()}


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of a result."""
    outlier, change = result["outlier"], result["changepoint"]
    return {
        "f1": round(outlier["f1"], 4),
        "far_percent": round(outlier["far_percent"], 2),
        "mar_percent": round(outlier["mar_percent"], 2),
        "changepoints": [round(value, 2) for value in change["nab"].values()],
        "changepoints_missed": change["missed"],
        "changepoints_false": change["false_alarms"],
    }


def by_chance(skab: ModuleType, truth: Any, said: dict[str, Any]) -> dict[str, Any]:
    """What change points score that have nothing to do with the data, or come too late."""
    none = {name: (times, np.zeros(len(times), bool)) for name, (times, _, _) in truth.items()}
    ticking = {name: (*pair, np.arange(len(pair[0])) % 45 == 0) for name, pair in none.items()}
    late = [{n: (*none[n], np.roll(np.isin(none[n][0], t[c]), by)) for n, (t, _, c) in said.items()} for by in SHIFTS]
    rolled = [skab.score(truth, each)["changepoint"]["nab"]["standard"] for each in late]
    return {
        "metronome": summary(skab.score(truth, ticking))["changepoints"],
        "shifted": round(float(np.mean(rolled)), 2),
    }


def runs(flags: Any) -> list[tuple[int, int]]:
    """Where flags are on: (first, behind the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(int), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def where(truth: dict[str, Any], said: dict[str, Any]) -> dict[str, int]:
    """Rows that were missed or flagged in vain, by their place among faults and alarms."""
    out = dict.fromkeys(("delay", "holes", "early", "missed", "before", "late", "false"), 0)
    for name, (times, fault, _) in truth.items():
        alarm = np.isin(times, said[name][0][said[name][1]])
        for begin, end in runs(fault):
            told = np.flatnonzero(alarm[begin:end])
            if len(told):
                out["delay"] += int(told[0])
                out["early"] += int(end - begin - 1 - told[-1])
                out["holes"] += int(told[-1] - told[0] + 1 - len(told))
            else:
                out["missed"] += end - begin
        for begin, end in runs(alarm):
            true = np.flatnonzero(fault[begin:end])
            if len(true):
                out["before"] += int(true[0])
                out["late"] += int(end - begin - true[0] - len(true))
            else:
                out["false"] += end - begin
    return out


def healthy(skab: ModuleType, predictions: Path) -> dict[str, int] | None:
    """What was flagged of the run without anomalies; None where it was not judged."""
    path = predictions / HEALTHY
    if not path.exists():
        return None
    _, flags, _ = skab.load_prediction(path, 0.0)
    return {"rows": len(flags), "flagged": int(flags.sum()), "episodes": len(runs(flags))}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--detector", default="levels")
    parser.add_argument("--crop", type=int, nargs="*", default=[])
    parser.add_argument("--per-file", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    skab, data = scorer("skab_score"), folder("TOCSIN_DATA", "data") / "skab"
    names = skab.list_files(data)
    truth = {name: skab.load_truth(data, name) for name in names}
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        if given.predictions is None:
            backtest(data, place / "out", given.detector)
        said = load(skab, truth, given.predictions or place / "out")
        result = skab.score(truth, said)
        groups = sorted({name.split("/")[0] for name in names})
        out: dict[str, Any] = {"files": len(names), **summary(result), **by_chance(skab, truth, said)}
        out["where"] = where(truth, said)
        if (clean := healthy(skab, given.predictions or place / "out")) is not None:
            out["healthy"] = clean
        out["by_group"] = {
            group: summary(skab.score({n: truth[n] for n in names if n.startswith(group)}, said)) for group in groups
        }
        for rows in given.crop:
            backtest(cropped(data, names, rows, place / f"data-{rows}"), place / f"out-{rows}", given.detector)
            found = skab.score(truth, load(skab, truth, place / f"out-{rows}"))
            out.setdefault("cropped", {})[rows] = summary(found)
    if given.per_file:
        out["per_file"] = result["files"]
    sys.stdout.write((json.dumps(out) if given.json else "\n".join(f"{k}: {v}" for k, v in out.items())) + "\n")


if __name__ == "__main__":
    main()
